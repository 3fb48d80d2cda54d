import { expect, test } from "vitest"
import { snoozeTimes } from "./snooze"

const local = (at: number): string => {
  const day = new Date(at)
  return `${day.getDate()}.${day.getMonth() + 1} ${day.getHours()}:${String(day.getMinutes()).padStart(2, "0")}`
}
const at = (day: number): number => new Date(2026, 10, day, 15, 30).getTime()

test("an hour, three, tomorrow's morning and Monday's", () => {
  expect(snoozeTimes(at(25)).map((one) => `${one.name} ${local(one.at)}`)).toEqual(["hour 25.11 16:30", "three 25.11 18:30", "tomorrow 26.11 9:00", "monday 30.11 9:00"])
})

test("on a Sunday tomorrow is Monday; on a Monday it is the next one", () => {
  expect(snoozeTimes(at(29)).map((one) => one.name)).toEqual(["hour", "three", "tomorrow"])
  expect(local(snoozeTimes(at(30)).at(-1)!.at)).toBe("7.12 9:00")
})
