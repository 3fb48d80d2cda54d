/** A file on its way up. `fetch` tells nothing of how far it is, so this is the older way of asking. */
import { ApiError } from "@/api/client"
import type { Uploaded } from "./compose"

const TIMEOUT_MS = 10 * 60_000

/** `told`: how much of it is there, from 0 to 1. Rejects with an ApiError; 0: the hub was not reached. */
export function upload(file: File, told: (share: number) => void, signal: AbortSignal): Promise<Uploaded> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest()
    request.open("POST", "/api/v1/attachments")
    request.timeout = TIMEOUT_MS
    request.responseType = "json"
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream")
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name))
    request.upload.onprogress = (event) => event.lengthComputable && told(event.loaded / event.total)
    request.onload = () => {
      const answer = request.response as (Uploaded & { detail?: string; code?: string; kept?: string; do?: string }) | null
      if (request.status === 201 && answer?.id) return done({ id: answer.id, name: answer.name, type: answer.type, size: answer.size })
      failed(new ApiError(answer?.detail ?? request.statusText, request.status, answer?.code ?? "unknown", answer?.kept, answer?.do))
    }
    request.onerror = request.ontimeout = () => failed(new ApiError("the hub was not reached", 0, "unreachable"))
    request.onabort = () => failed(new ApiError("called off", 0, "aborted"))
    signal.addEventListener("abort", () => request.abort(), { once: true })
    request.send(file)
  })
}
