import { expect, test } from "vitest"
import { byDue, dueOf, fromLocal, laterTask, toLocal, usualTimes, remindAt, remindIn } from "./due"

const NOW = new Date(2026, 4, 5, 12, 0).getTime()
const at = (day: number, hour: number): string => new Date(2026, 4, day, hour).toISOString()
const task = (id: string, due_at: string | null, version = 1) => ({ id, due_at, version, kind: "todo", title: id, state: "open", created_at: "" })

test("a task stands by the day of the reader, and is late from its moment on", () => {
  expect([at(5, 11), at(5, 23), at(6, 0), at(6, 23), at(7, 0), null].map((due) => dueOf(due, NOW))).toEqual(["overdue", "today", "tomorrow", "tomorrow", "later", "undated"])
})

test("the list is in the order of being due, each group headed once", () => {
  const rows = byDue([task("c", null), task("b", at(5, 20)), task("a", at(5, 13)), task("late", at(1, 9))], NOW)
  expect(rows.map((row) => (row.head ? `${row.head} ${row.count}` : row.id))).toEqual(["overdue 1", "late", "today 2", "a", "b", "undated 1", "c"])
})

test("late news of a task changes nothing", () => {
  expect(laterTask(task("a", null, 3), task("a", at(6, 9), 2)).version).toBe(3)
  expect(laterTask(undefined, task("a", null)).id).toBe("a")
})

test("a moment goes into the field and back unchanged, and nonsense is no moment", () => {
  expect(fromLocal(toLocal(at(6, 9)))).toBe(at(6, 9))
  expect(fromLocal("")).toBeNull()
  expect(fromLocal("tomorrow")).toBeNull()
})

test("this evening is offered only while it is far", () => {
  expect(usualTimes(NOW).map((one) => one.name)).toContain("evening")
  expect(usualTimes(new Date(2026, 4, 5, 17).getTime()).map((one) => one.name)).not.toContain("evening")
})

test("a reminder is so many minutes before, and is found again as one of those to choose from", () => {
  const due = "2026-11-25T12:00:00.000Z"
  expect(remindAt(due, "15")).toBe("2026-11-25T11:45:00.000Z")
  expect(remindAt(due, "")).toBeNull()
  expect(remindAt(null, "15")).toBeNull()
  expect(remindIn(due, "2026-11-25T11:44:00.000Z")).toBe("15")
  expect(remindIn(due, due)).toBe("0")
  expect(remindIn(due, null)).toBe("")
})
