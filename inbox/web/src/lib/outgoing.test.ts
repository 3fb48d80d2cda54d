import { expect, test } from "vitest"
import type { Interaction } from "@/api/types"
import { emptyDraft } from "./compose"
import { failureWord, localOf, templateOf, undoLeft, withOutbound } from "./outgoing"
import type { Send } from "./sends"

const send: Send = { key: "k", conversation: "c", at: 0, draft: { ...emptyDraft(), text: " да " }, mentions: [], meta: {}, hold_s: 5, send_at: null, refused: null }
const queued = (changes: Partial<Interaction> = {}): Interaction => ({ ...localOf(send, null), id: "i", state: "queued", ...changes })

test("a message can be taken back until its seconds are over, by the clock of the page", () => {
  const item = withOutbound(queued(), { outbound_id: "o", send_at: "2026-01-01T00:00:05Z" }, send, 1_000)
  expect(item).toMatchObject({ outbound_id: "o", undo_until: 6_000, text: "да" })
  expect([undoLeft(item, 1_000), undoLeft(item, 5_500), undoLeft(item, 7_000)]).toEqual([5, 1, 0])
})

test("one that has left, or that was planned for later, counts no seconds", () => {
  const at = "2026-01-01T00:00:05Z"
  expect(withOutbound(queued({ state: "sent" }), { outbound_id: "o", send_at: at }, send, 0)).toMatchObject({ undo_until: undefined, send_at: undefined })
  expect(withOutbound(queued(), { outbound_id: "o", send_at: at }, { ...send, send_at: at }, 0)).toMatchObject({ undo_until: undefined, send_at: at })
  expect(undoLeft(queued(), 0)).toBe(0)
})

test("a failure has a sentence where the code is known", () => {
  expect(failureWord({ class: "blocked", code: "403" })).toBe("blocked")
  expect(failureWord({ class: "refused", code: "bad_request" })).toBe("bad_request")
  expect(failureWord({ class: "refused", code: "e17" })).toBe("")
  expect(failureWord(null)).toBe("")
})

test("a template is told by its name", () => {
  expect(templateOf(queued({ meta: { template: { name: "order_ready" } } }))).toBe("order_ready")
  expect(templateOf(queued({ meta: { template: "order_ready" } }))).toBe("order_ready")
  expect(templateOf(queued({ meta: { template: 5 } }))).toBe("")
  expect(templateOf(queued())).toBe("")
})
