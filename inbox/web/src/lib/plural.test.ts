import { expect, test } from "vitest"
import { russianPlural } from "./plural"

test("Russian counts by one, few, many", () => {
  expect([1, 2, 4, 5, 11, 12, 14, 21, 22, 111, 0].map((n) => russianPlural(n, 3))).toEqual([0, 1, 1, 2, 2, 2, 2, 0, 1, 2, 2])
})

test("where words have fewer forms, the last one serves", () => {
  expect(russianPlural(5, 2)).toBe(1)
})
