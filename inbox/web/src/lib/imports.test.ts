import { expect, test } from "vitest"
import { flawOf, percentOf, samplesOf, usedOf } from "./imports"

test("two columns may lead to phones, not to one name", () => {
  expect(flawOf({ A: "phone", B: "phone", C: "name" })).toBe(null)
  expect(flawOf({ A: "name", B: "name" })).toEqual({ kind: "twice", target: "name" })
  expect(flawOf({ A: "custom.inn", B: "custom.inn", C: "phone" })).toEqual({ kind: "twice", target: "custom.inn" })
})

test("without a name or an address nothing would come of it", () => {
  expect(flawOf({ A: "birthday", B: "" })).toEqual({ kind: "nothing" })
  expect(flawOf({ A: "email" })).toBe(null)
})

test("samples are different values, as they stand in the file", () => {
  const job = { columns: ["ФИО", "Город"], head: [["Пётр", "Москва"], ["Анна", "Москва"], ["", ""], ["Борис", "Тула"]] }
  expect([samplesOf(job, "Город"), samplesOf(job, "ФИО", 2), samplesOf(job, "нет")]).toEqual([["Москва", "Тула"], ["Пётр", "Анна"], []])
})

test("columns that lead nowhere are not sent; progress is whole percents", () => {
  expect(usedOf({ A: "name", B: "" })).toEqual({ A: "name" })
  expect([percentOf({ rows: 3, done_rows: 1, state: "running" }), percentOf({ rows: 0, done_rows: 0, state: "done" }), percentOf({ rows: 0, done_rows: 0, state: "waiting" })]).toEqual([33, 100, 0])
})
