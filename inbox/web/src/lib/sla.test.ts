import { expect, test } from "vitest"
import { shortTime, slaOf } from "./sla"

const at = (seconds: number): string => new Date(1_700_000_000_000 + seconds * 1000).toISOString()
const now = 1_700_000_000_000

test("the ring goes green, amber, red as the time to answer runs out", () => {
  const row = { status: "open", created_at: at(-600), frt_due_at: at(600) }
  expect(slaOf(row, now)).toEqual({ level: "ok", left_s: 600, share: 0.5 })
  expect(slaOf(row, now + 400_000)?.level).toBe("soon")
  expect(slaOf(row, now + 601_000)).toEqual({ level: "late", left_s: -1, share: 0 })
})

test("nothing is due once it was answered or resolved, or where the queue promises nothing", () => {
  expect(slaOf({ status: "open", frt_due_at: at(60), first_response_at: at(-1) }, now)).toBeNull()
  expect(slaOf({ status: "resolved", frt_due_at: at(60) }, now)).toBeNull()
  expect(slaOf({ status: "open", frt_due_at: null }, now)).toBeNull()
})

test("a frame without the beginning of the conversation still has a ring", () => {
  expect(slaOf({ status: "open", frt_due_at: at(450) }, now)?.share).toBe(0.5)
})

test("times are short", () => {
  const units = { h: "h", d: "d" }
  expect([5, 245, 3599, 7200, 400_000].map((s) => shortTime(s, units))).toEqual(["0:05", "4:05", "59:59", "2 h", "5 d"])
})
