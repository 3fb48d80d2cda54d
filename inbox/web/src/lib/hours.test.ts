import { expect, test } from "vitest"
import { daysIn, hoursOf, spansOf, textOf } from "./hours"

test("hours are read as people write them", () => {
  expect(spansOf("9-13, 14:00–18:30")).toEqual([["09:00", "13:00"], ["14:00", "18:30"]])
  expect(spansOf(" 22:00 - 06:00 ")).toEqual([["22:00", "06:00"]])
  expect(spansOf("0-24")).toEqual([["00:00", "24:00"]])
})
test("nothing typed is closed, nonsense is not read", () => {
  expect(spansOf("")).toEqual([])
  for (const text of ["9", "9-25", "9-9", "9-24:30", "9-10-11", "утром"]) expect(spansOf(text)).toBeNull()
})
test("what was read is written the same", () => {
  expect(textOf(spansOf("9-13;14-18")!)).toBe("09:00-13:00, 14:00-18:00")
  expect(textOf(undefined)).toBe("")
})
test("a closed weekday is left out, a closed holiday is told", () => {
  expect(hoursOf({ "1": "9-18", "2": "" }, false)).toEqual({ "1": [["09:00", "18:00"]] })
  expect(hoursOf({ "2027-01-01": "" }, true)).toEqual({ "2027-01-01": [] })
  expect(hoursOf({ "1": "?" }, false)).toBeNull()
})

test("a year's days are pasted as a calendar writes them: dates, spans, hours, names; what can't be read is told", () => {
  const { days, bad } = daysIn("01.01.2027-03.01.2027\n23.02.2027\tДень защитника\n2027-04-30 09:00-17:00\n31.02.2027\nпотом\n05.05.2027-01.05.2027")
  expect(days).toEqual({ "2027-01-01": "", "2027-01-02": "", "2027-01-03": "", "2027-02-23": "", "2027-04-30": "09:00-17:00" })
  expect(bad).toEqual(["31.02.2027", "потом", "05.05.2027-01.05.2027"])
})
