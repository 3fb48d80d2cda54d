/** Files on their way up. `fetch` tells nothing of how far they are, so this is the older way of asking. */
import { ApiError } from "@/api/client"
import type { Uploaded } from "./compose"

const TIMEOUT_MS = 10 * 60_000
/** How much of it is there, from 0 to 1. */
type Told = (share: number) => void

/** A file to be sent with a message, as it is. Rejects with an ApiError; 0: the hub was not reached. */
export function upload(file: File, told: Told, signal: AbortSignal): Promise<Uploaded> {
  const headers = { "Content-Type": file.type || "application/octet-stream", "X-File-Name": encodeURIComponent(file.name) }
  return sent<Uploaded>("/api/v1/attachments", file, headers, told, signal)
}
/** A file as a form's only field. Rejects with an ApiError, also when `signal` stops it. */
export function uploadFile<T>(url: string, file: File, told: Told, signal?: AbortSignal): Promise<T> {
  const form = new FormData()
  form.append("file", file, file.name)
  return sent<T>(url, form, {}, told, signal)
}

function sent<T>(url: string, body: File | FormData, headers: Record<string, string>, told: Told, signal?: AbortSignal): Promise<T> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest()
    request.open("POST", url)
    request.timeout = TIMEOUT_MS
    request.responseType = "json"
    for (const [name, value] of Object.entries({ Accept: "application/json", ...headers })) request.setRequestHeader(name, value)
    request.upload.onprogress = (event) => event.lengthComputable && event.total && told(event.loaded / event.total)
    request.onload = () => {
      const answer = (request.response ?? {}) as Record<string, unknown>
      const word = (name: string): string => (typeof answer[name] === "string" ? (answer[name] as string) : "")
      if (request.status >= 200 && request.status < 300) done(answer as T)
      else failed(new ApiError(word("detail") || request.statusText, request.status, word("code") || "unknown", word("kept"), word("do"), word("request_id")))
    }
    request.onerror = request.ontimeout = () => failed(new ApiError("the hub was not reached", 0, "unreachable"))
    request.onabort = () => failed(new ApiError("called off", 0, "aborted"))
    signal?.addEventListener("abort", () => request.abort(), { once: true })
    request.send(body)
  })
}
