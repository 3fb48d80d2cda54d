import { expect, test } from "vitest"
import type { Interaction } from "@/api/types"
import { bubbleOf, grouped, ordered } from "./grouping"

const item = (id: string, at: string, changes: Partial<Interaction> = {}): Interaction =>
  ({ id, at, kind: "message", direction: "in", identity_id: "i", conversation_id: "c", ...changes }) as Interaction
const day = (at: string): string => at.slice(0, 10)

test("one author's messages within five minutes stand together, until the day ends", () => {
  const rows = grouped([item("1", "2026-01-01T23:50:00Z"), item("2", "2026-01-01T23:54:00Z"), item("3", "2026-01-01T23:59:30Z"), item("4", "2026-01-02T00:01:00Z")], day)
  expect(rows.map((row) => [row.day, row.joined])).toEqual([[true, false], [false, true], [false, false], [true, false]])
})

test("another author, or another kind, begins a new group", () => {
  const rows = grouped([item("1", "2026-01-01T10:00:00Z"), item("2", "2026-01-01T10:00:01Z", { direction: "out", agent_id: "a" }), item("3", "2026-01-01T10:00:02Z", { direction: "out", agent_id: "a", kind: "note" })], day)
  expect(rows.map((row) => row.joined)).toEqual([false, false, false])
})

test("what the hub has not answered yet is last, whatever this computer's clock says", () => {
  const mine = item("local", "2020-01-01T00:00:00Z", { pending: "k" })
  expect(ordered([mine, item("b", "2026-01-01T00:00:00Z"), item("a", "2026-01-01T00:00:00Z")]).map((one) => one.id)).toEqual(["a", "b", "local"])
})

test("mail is told from chat by what only mail has", () => {
  expect(bubbleOf(item("1", "", { subject: "Счёт" }))).toBe("email")
  expect(bubbleOf(item("1", "", { kind: "form", subject: "Заявка" }))).toBe("form")
  expect(bubbleOf(item("1", ""))).toBe("message")
})
