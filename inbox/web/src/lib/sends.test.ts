import { expect, test } from "vitest"
import { emptyDraft } from "./compose"
import { isPassing, nextSend, readSends, renewed, revived, STALE_MS, toMessage, type Send } from "./sends"

const send = (key: string, changes: Partial<Send> = {}): Send => ({ key, conversation: "c", at: 0, draft: { ...emptyDraft(), text: key }, mentions: [], meta: {}, hold_s: 5, send_at: null, refused: null, ...changes })
const no = { class: "refused", code: "bad_request", text: "too long" }

test("the oldest goes first; what was refused waits for a person and holds up nobody", () => {
  expect(nextSend([send("a"), send("b")])?.key).toBe("a")
  expect(nextSend([send("a", { refused: no }), send("b")])?.key).toBe("b")
  expect(nextSend([send("a", { refused: no })])).toBeUndefined()
})

test("what the page finds again goes by itself only while the hub knows its key", () => {
  const [fresh, old, refused] = revived([send("a", { at: 1 }), send("b", { at: -STALE_MS }), send("c", { at: -STALE_MS, refused: no })], 2)
  expect(fresh?.refused).toBeNull()
  expect(old?.refused?.class).toBe("stale")
  expect(refused?.refused).toEqual(no)
  expect(renewed(old!, 3, () => "new")).toMatchObject({ key: "new", refused: null, at: 3 })
  expect(renewed(refused!, 3, () => "new").key).toBe("c")
})

test("kept and read again it is the same; what is broken is nothing", () => {
  const queue = [send("a"), send("b", { refused: no })]
  expect(readSends(JSON.stringify(queue))).toEqual(queue)
  for (const text of [null, "", "{", "{}", '[{"key":1}]', "[null]"]) expect(readSends(text)).toEqual([])
})

test("a hub that is away is no refusal", () => {
  expect([0, 401, 429, 502, 503, 504].every(isPassing)).toBe(true)
  expect([400, 403, 404, 409, 413, 422, 500].some(isPassing)).toBe(false)
})

test("a note goes nowhere: it has neither address nor hold", () => {
  expect(toMessage(send("a", { draft: { ...emptyDraft("note"), text: " да ", identity_id: "i", subject: "s" }, mentions: ["m"] }))).toEqual({ kind: "note", text: "да", attachments: [], mentions: ["m"] })
  expect(toMessage(send("a", { draft: { ...emptyDraft(), text: "да", identity_id: "i", subject: " s " } }))).toMatchObject({ identity: "i", hold_s: 5, meta: { subject: "s" } })
})
