import { expect, test } from "vitest"
import { noticeOf, USUAL, type Known } from "./notices"

const known: Known = { me: "anna", holderOf: (id) => (id === "mine" ? "anna" : "boris"), clientOf: () => "Пётр" }
const came = (more: object, data: object = {}) => ({ type: "interaction.created", data: { interaction: { conversation_id: "mine", direction: "in", kind: "message", text: "Есть пироги?", ...more }, ...data } })

test("a client's message in one's own conversation is news, those of others, one's own, notes and calls are not", () => {
  expect(noticeOf(came({}), known, USUAL)).toEqual({ kind: "message", tag: "mine", who: "Пётр", body: "Есть пироги?", to: "/inbox/mine" })
  for (const more of [{ conversation_id: "his" }, { direction: "out" }, { kind: "note" }, { kind: "call" }]) expect(noticeOf(came(more), known, USUAL)).toBeNull()
})

test("what is replayed from the journal is no news", () => {
  expect(noticeOf(came({}, { replayed: true }), known, USUAL)).toBeNull()
})

test("offered to me, naming me, due for me", () => {
  const transfer = (to: string) => ({ type: "transfer.offered", data: { transfer: { id: "t", state: "offered", to_agent_id: to, from_agent_id: "boris", conversation_id: "c", reason: "торт" } } })
  expect(noticeOf(transfer("anna"), known, USUAL)).toMatchObject({ kind: "transfer", who: "boris", body: "торт", to: "/inbox/c" })
  expect(noticeOf(transfer("vera"), known, USUAL)).toBeNull()
  expect(noticeOf({ type: "mention.created", data: { agent_id: "anna", by: "boris", conversation_id: "c", interaction_id: "i", text: "глянь" } }, known, USUAL)).toMatchObject({ kind: "mention", to: "/inbox/c" })
  expect(noticeOf({ type: "task.due", data: { task: { id: "t", title: "Перезвонить", assignee_id: "anna", state: "open" } } }, known, USUAL)).toMatchObject({ kind: "task", who: "Перезвонить", to: "/tasks/t" })
  expect(noticeOf({ type: "task.due", data: { task: { id: "t", title: "Чужая", assignee_id: "boris", state: "open" } } }, known, USUAL)).toBeNull()
})

test("what one does not want to hear of is not told", () => {
  expect(noticeOf(came({}), known, { ...USUAL, messages: false })).toBeNull()
})
