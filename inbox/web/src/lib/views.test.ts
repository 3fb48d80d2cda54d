import { expect, test } from "vitest"
import type { Conversation } from "@/api/types"
import { FILTERS_OF, keyOf, matches, orderOf, tidy, VIEWS } from "./views"

const row = (changes: Partial<Conversation>): Conversation => ({ id: "1", status: "open", last_at: "2026-01-01T00:00:00Z", unread: 0, ...changes }) as Conversation
const me = { id: "me", queues: ["q"] }
const views = (one: Conversation): string[] => VIEWS.filter((view) => matches(FILTERS_OF[view], one, me))

test("each conversation is in the views it belongs to", () => {
  expect(views(row({ assignee_id: "me" }))).toEqual(["mine", "all"])
  expect(views(row({ queue_id: "q" }))).toEqual(["unassigned", "my_queues", "all"])
  expect(views(row({ status: "snoozed", assignee_id: "me" }))).toEqual(["snoozed"])
  expect(views(row({ status: "resolved", assignee_id: "me" }))).toEqual(["closed"])
})

test("of mentions only the hub can tell", () => {
  expect(matches(FILTERS_OF.mentions, row({}), me)).toBeNull()
  expect(matches({ mentioned: "me", status: "open" }, row({ status: "resolved" }), me)).toBe(false)
})

test("somebody without an agent's id has nothing of his own", () => {
  expect(matches(FILTERS_OF.mine, row({ assignee_id: undefined }), { id: null, queues: [] })).toBe(false)
})

test("filters combine: unread, a tag, a channel, words in any case", () => {
  const one = row({ unread: 2, tags: ["торт"], channel_id: "c", contact_name: "Пётр", last_text: "Где заказ?" })
  expect(matches({ unread: "true", tag: "торт", channel: "c", q: "ЗАКАЗ" }, one, me)).toBe(true)
  expect(matches({ unread: "false" }, one, me)).toBe(false)
  expect(matches({ q: "пирог" }, one, me)).toBe(false)
})

test("equal filters are one key, whatever their order and blanks", () => {
  expect(keyOf({ tag: "a", assignee: "me", q: "" }, "last")).toBe(keyOf({ assignee: "me", tag: "a" }, "last"))
  expect(tidy({ tag: "a", unknown: "x", status: null })).toEqual({ tag: "a" })
})

test("newest first, or due first with those already answered behind", () => {
  const rows = [row({ id: "a", last_at: "2026-01-01", frt_due_at: "2026-02-02" }), row({ id: "b", last_at: "2026-01-03" }), row({ id: "c", last_at: "2026-01-02", frt_due_at: "2026-02-01" }),
    row({ id: "d", last_at: "2026-01-04", frt_due_at: "2026-01-01", first_response_at: "2026-01-01" })]
  expect([...rows].sort(orderOf("last")).map((one) => one.id)).toEqual(["d", "b", "c", "a"])
  expect([...rows].sort(orderOf("sla")).map((one) => one.id)).toEqual(["c", "a", "d", "b"])
})
