import { expect, test } from "vitest"
import { planTimes } from "./plan"

const times = (at: string) => planTimes(new Date(at).getTime()).map(({ name, at: iso }) => [name, new Date(iso)] as const)

test("in an hour is a round time, tomorrow is at nine", () => {
  const [hour, , tomorrow] = times("2026-11-25T10:02:00")
  expect(hour![1].getMinutes() % 5).toBe(0)
  expect(hour![1].getTime()).toBeGreaterThanOrEqual(new Date("2026-11-25T11:02:00").getTime())
  expect([tomorrow![1].getDate(), tomorrow![1].getHours()]).toEqual([26, 9])
})

test("the evening is offered while it is far, Monday unless that is tomorrow", () => {
  const names = (at: string) => times(at).map(([name]) => name)
  expect(names("2026-11-25T10:00:00")).toEqual(["hour", "evening", "tomorrow", "monday"]) // a Wednesday
  expect(names("2026-11-25T17:00:00")).toEqual(["hour", "tomorrow", "monday"])
  expect(names("2026-11-29T20:00:00")).toEqual(["hour", "tomorrow"]) // a Sunday
  expect(times("2026-11-30T20:00:00").at(-1)![1].getDate()).toBe(7) // a Monday: the next one
})
