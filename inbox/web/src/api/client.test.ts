import { afterEach, expect, test, vi } from "vitest"
import { ApiError, call, onSignedOut, toUrl } from "./client"

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": status < 400 ? "application/json" : "application/problem+json", ...headers } })
afterEach(() => vi.unstubAllGlobals())
function answers(...list: (Response | Error)[]) {
  const fetch = vi.fn<(url: string, init: RequestInit) => Promise<Response>>(async () => {
    const next = list.shift()!
    if (next instanceof Error) throw next
    return next
  })
  vi.stubGlobal("fetch", fetch)
  return fetch
}

test("addresses are escaped and empty parameters left out", () => {
  expect(toUrl("/api/v1/contacts/{contact_id}", { contact_id: "a/b?" }, { q: "Пётр", kind: undefined, after: "" })).toBe("/api/v1/contacts/a%2Fb%3F?q=%D0%9F%D1%91%D1%82%D1%80")
})

test("a problem says what happened, what was kept and what to do", async () => {
  answers(json(409, { detail: "it is resolved", code: "conflict", kept: "the text", do: "open it", request_id: "r1" }))
  const error = await call("post", "/api/v1/live-ticket").catch((e: unknown) => e)
  expect(error).toMatchObject({ message: "it is resolved", status: 409, code: "conflict", kept: "the text", todo: "open it", requestId: "r1" })
})

test("a read is tried again while the hub is away, a write without a key is not", async () => {
  vi.spyOn(Math, "random").mockReturnValue(-0.5)
  const read = answers(new TypeError("network"), json(503, {}), json(200, { items: [], next: null }))
  expect(await call("get", "/api/v1/contacts")).toEqual({ items: [], next: null })
  expect(read).toHaveBeenCalledTimes(3)
  const write = answers(new TypeError("network"))
  await expect(call("put", "/api/v1/presence", { body: { state: "away" } })).rejects.toMatchObject({ status: 0, code: "unreachable" })
  expect(write).toHaveBeenCalledTimes(1)
})

test("a write with a key is tried again with the same key", async () => {
  vi.spyOn(Math, "random").mockReturnValue(-0.5)
  const sent = answers(new TypeError("network"), json(201, { state: "queued" }))
  await call("post", "/api/v1/conversations/{conversation_id}/messages", { path: { conversation_id: "c" }, body: { text: "да" }, key: "k1" })
  expect(sent.mock.calls.map(([, init]) => (init.headers as Record<string, string>)["Idempotency-Key"])).toEqual(["k1", "k1"])
})

test("an ended session is told once, and a wrong password is not one", async () => {
  const told = vi.fn()
  onSignedOut(told)
  answers(json(401, { detail: "wrong" }), json(401, { detail: "ended" }))
  await expect(call("post", "/api/v1/session", { body: { login: "a", password: "b" } })).rejects.toBeInstanceOf(ApiError)
  expect(told).not.toHaveBeenCalled()
  await expect(call("get", "/api/v1/contacts")).rejects.toBeInstanceOf(ApiError)
  expect(told).toHaveBeenCalledTimes(1)
})
