import { expect, test } from "vitest"
import type { Task } from "@/api/records"
import { byDay, daysOf, keyOf, movedTo, stepped } from "./calendar"

const at = (text: string): number => new Date(text).getTime()
const task = (id: string, due: string): Task => ({ id, title: id, kind: "todo", state: "open", version: 1, created_at: due, due_at: new Date(due).toISOString() }) as Task

test("a week has seven days from Monday, a month its whole weeks", () => {
  expect(daysOf("week", at("2026-11-29T23:30:00")).map(keyOf)).toEqual(["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27", "2026-11-28", "2026-11-29"])
  const month = daysOf("month", at("2026-11-15T00:00:00")).map(keyOf)
  expect([month[0], month.at(-1), month.length]).toEqual(["2026-10-26", "2026-12-06", 42])
  expect(daysOf("month", at("2027-02-10T00:00:00")).length).toBe(28)
})

test("a step is a week or a month, and no short month is stepped over", () => {
  expect(keyOf(new Date(stepped("month", at("2026-01-31T10:00:00"), 1)))).toBe("2026-02-01")
  expect(keyOf(new Date(stepped("week", at("2026-12-30T10:00:00"), 1)))).toBe("2027-01-06")
  expect(keyOf(new Date(stepped("month", at("2026-01-31T10:00:00"), -1)))).toBe("2025-12-01")
})

test("tasks stand on their day in the order they are due; those without a time nowhere", () => {
  const days = byDay([task("b", "2026-11-25T15:00:00"), task("a", "2026-11-25T09:00:00"), { ...task("c", "2026-11-25T09:00:00"), due_at: null } as unknown as Task])
  expect(days.get("2026-11-25")!.map((one) => one.id)).toEqual(["a", "b"])
  expect(days.size).toBe(1)
})

test("dropped on a day a task keeps its hour, and its end and reminder move along; on its own day it stays", () => {
  const one = { due_at: new Date("2026-11-25T15:30:00").toISOString(), ends_at: new Date("2026-11-25T16:30:00").toISOString(), remind_at: null }
  const moved = movedTo(one, new Date(2026, 10, 27))!
  expect(moved.due_at).toBe(new Date("2026-11-27T15:30:00").toISOString())
  expect(moved.ends_at).toBe(new Date("2026-11-27T16:30:00").toISOString())
  expect("remind_at" in moved).toBe(false)
  expect(movedTo(one, new Date(2026, 10, 25))).toBeNull()
  expect(movedTo({ due_at: null, ends_at: null, remind_at: null }, new Date(2026, 10, 25))).toBeNull()
})
