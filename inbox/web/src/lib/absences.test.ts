import { expect, test } from "vitest"
import { barOf, isOn, lastDay, spanOf, weekStart } from "./absences"

const at = (text: string): number => new Date(text).getTime()
const DAY = 86_400_000

test("a week begins on Monday, on Sunday too", () => {
  expect(new Date(weekStart(at("2026-11-29T12:00:00"))).getDate()).toBe(23)
  expect(new Date(weekStart(at("2026-11-23T00:00:00"))).getDate()).toBe(23)
})

test("a bar is cut at the ends of what is shown, and is never too thin to see", () => {
  const start = at("2026-11-23T00:00:00")
  const one = (from: number, until: number) => ({ from_at: new Date(start + from * DAY).toISOString(), until_at: new Date(start + until * DAY).toISOString() })
  expect(barOf(one(7, 14), start, 28)).toEqual({ left: 25, width: 25 })
  expect(barOf(one(-7, 14), start, 28)).toEqual({ left: 0, width: 50 })
  expect(barOf(one(1, 1.01), start, 28)!.width).toBe(1)
  expect(barOf(one(28, 30), start, 28)).toBeNull()
  expect(barOf(one(-3, 0), start, 28)).toBeNull()
})

test("days become moments: the last one counts whole, today begins now, what is over is none", () => {
  const now = at("2026-11-25T10:30:00")
  const span = spanOf("2026-11-25", "2026-11-26", now)!
  expect(Date.parse(span.from)).toBe(now)
  expect(new Date(span.until).getDate()).toBe(27)
  expect(spanOf("2026-11-27", "2026-11-26", now)).toBeNull()
  expect(spanOf("2026-11-20", "2026-11-24", now)).toBeNull()
  expect(spanOf("", "2026-11-24", now)).toBeNull()
  expect(lastDay(span.until).getDate()).toBe(26)
  expect(isOn({ from_at: span.from, until_at: span.until }, now)).toBe(true)
})
