import { expect, test } from "vitest"
import type { Conversation } from "@/api/types"
import { inView, sorted, VIEWS } from "./views"

const row = (changes: Partial<Conversation>): Conversation => ({ id: "1", status: "open", last_at: "2026-01-01T00:00:00Z", ...changes }) as Conversation
const me = { id: "me", queues: ["q"] }
const views = (one: Conversation): string[] => VIEWS.filter((view) => inView(view, one, me))

test("each conversation is in the views it belongs to", () => {
  expect(views(row({ assignee_id: "me" }))).toEqual(["mine", "all"])
  expect(views(row({ queue_id: "q" }))).toEqual(["unassigned", "queues", "all"])
  expect(views(row({ status: "snoozed", assignee_id: "me" }))).toEqual(["snoozed", "all"])
  expect(views(row({ status: "resolved", assignee_id: "me" }))).toEqual(["resolved"])
})

test("somebody without an agent's id has nothing of his own", () => {
  expect(inView("mine", row({ assignee_id: undefined }), { id: null, queues: [] })).toBe(false)
})

test("newest first, or due first with those already answered behind", () => {
  const rows = [row({ id: "a", last_at: "2026-01-01", frt_due_at: "2026-02-02" }), row({ id: "b", last_at: "2026-01-03" }), row({ id: "c", last_at: "2026-01-02", frt_due_at: "2026-02-01" }),
    row({ id: "d", last_at: "2026-01-04", frt_due_at: "2026-01-01", first_response_at: "2026-01-01" })]
  expect(sorted([...rows], "last").map((one) => one.id)).toEqual(["d", "b", "c", "a"])
  expect(sorted([...rows], "sla").map((one) => one.id)).toEqual(["c", "a", "d", "b"])
})
