/** The API as typed calls: paths, parameters, bodies and answers are those of our OpenAPI document. */
import type { Problem, Said } from "@/lib/problems"
import type { paths } from "./schema"

type Method = "get" | "post" | "put" | "patch" | "delete"
type Paths<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, object> ? P : never }[keyof paths]
type Operation<P extends keyof paths, M extends Method> = paths[P][M & keyof paths[P]]
type Json<T> = T extends { content: { "application/json": infer B } } ? B : undefined
export type Answer<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { responses: infer R } ? (R extends { 200: infer A } ? Json<A> : R extends { 201: infer A } ? Json<A> : undefined) : undefined
type Query<O> = O extends { parameters: { query?: infer Q } } ? Q : undefined
type InPath<O> = O extends { parameters: { path: infer P } } ? P : undefined
type Body<O> = O extends { requestBody: infer B } ? Json<B> : undefined

export interface CallOptions<P extends keyof paths, M extends Method> {
  query?: Query<Operation<P, M>>
  path?: InPath<Operation<P, M>>
  body?: Body<Operation<P, M>>
  /** The same key with the same body is done once, however often it is sent. */
  key?: string
  signal?: AbortSignal
}

const TIMEOUT_MS = 20_000
const READ_TRIES = 3

/** A refusal: what happened, what was kept, what to do. `status` 0: the hub was not reached. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly kept = "",
    readonly todo = "",
    readonly requestId = "",
    readonly afterS = 0,
    /** For the next step of signing in. */
    readonly ticket = "",
    /** Which of the code's sentences it is, and what it tells. */
    readonly reason = "",
    readonly facts: Readonly<Record<string, string | number>> = {},
  ) {
    super(message)
    this.name = "ApiError"
  }
}

let signedOut: () => void = () => undefined
/** What happens when the session has ended. */
export function onSignedOut(then: () => void): void {
  signedOut = then
}

let done: (method: string, path: string, body: Record<string, unknown>) => void = () => undefined
/** Who wants to know what was changed: after each write that the hub has accepted. */
export function onDone(then: typeof done): void {
  done = then
}

let worded = (problem: Problem): Said => ({ message: problem.detail, kept: problem.kept, todo: problem.do })
/** How refusals are told in the reader's language. */
export function tellProblems(how: (problem: Problem) => Said): void {
  worded = how
}

export function toUrl(path: string, inPath: Record<string, unknown> = {}, query: Record<string, unknown> = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(inPath[name] ?? "")))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== null && value !== "") search.set(name, String(value))
  return search.size ? `${filled}?${search}` : filled
}

async function toError(response: Response): Promise<ApiError> {
  const problem: Record<string, unknown> = response.headers.get("Content-Type")?.includes("json") ? await response.json().catch(() => ({})) : {}
  const word = (name: string): string => (typeof problem[name] === "string" ? (problem[name] as string) : "")
  const after = Number(response.headers.get("Retry-After") ?? 0)
  const facts = typeof problem.facts === "object" && problem.facts !== null ? (problem.facts as Problem["facts"]) : {}
  const code = word("code") || (response.status >= 500 ? "unavailable" : "unknown")
  const said = worded({ status: response.status, code, detail: word("detail") || response.statusText, kept: word("kept"), do: word("do"), reason: word("reason"), facts })
  return new ApiError(said.message, response.status, code, said.kept, said.todo, word("request_id"), after, word("ticket"), word("reason"), facts)
}

/** The hub was not reached. */
function noAnswer(): ApiError {
  const said = worded({ status: 0, code: "unreachable", detail: "the hub was not reached", kept: "", do: "", reason: "", facts: {} })
  return new ApiError(said.message, 0, "unreachable", said.kept, said.todo)
}

async function once(method: Method, url: string, body: unknown, key: string | undefined, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" }
  if (body !== undefined) headers["Content-Type"] = "application/json"
  if (key !== undefined) headers["Idempotency-Key"] = key
  const limit = AbortSignal.timeout(TIMEOUT_MS)
  try {
    return await fetch(url, {
      method: method.toUpperCase(),
      headers,
      credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw noAnswer()
  }
}

const passing = (error: unknown): error is ApiError => error instanceof ApiError && (error.status === 0 || error.status === 503)
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** Reads, and writes with a key, are tried again while the hub is away; other writes are tried once. */
export async function call<M extends Method, P extends Paths<M>>(method: M, path: P, options: CallOptions<P, M> = {}): Promise<Answer<P, M>> {
  const url = toUrl(path as string, options.path as Record<string, unknown>, options.query as Record<string, unknown>)
  const tries = method === "get" || options.key !== undefined ? READ_TRIES : 1
  for (let tried = 1; ; tried++) {
    try {
      const response = await once(method, url, options.body, options.key, options.signal)
      if (response.ok) {
        const answer = (response.status === 204 ? undefined : await response.json()) as Answer<P, M>
        if (method !== "get") done(method, path as string, (options.body ?? {}) as Record<string, unknown>)
        return answer
      }
      throw await toError(response)
    } catch (error) {
      if (error instanceof ApiError && error.status === 401 && !(path as string).startsWith("/api/v1/session")) signedOut()
      if (!passing(error) || tried >= tries) throw error
      await pause(Math.min(5_000, (error.afterS * 1_000 || 300 * 2 ** tried) * (0.5 + Math.random())))
    }
  }
}

export const newKey = (): string => (crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join(""))
