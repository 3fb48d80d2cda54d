import { expect, test } from "vitest"
import { ref } from "vue"
import { between, MOST, useSelection } from "./selection"

const rows = (n: number) => Array.from({ length: n }, (_, at) => ({ id: String(at) }))

test("a range goes either way, and from a row that is gone it is the one alone", () => {
  expect(between(rows(5), "1", "3")).toEqual(["1", "2", "3"])
  expect(between(rows(5), "3", "1")).toEqual(["1", "2", "3"])
  expect(between(rows(5), "9", "1")).toEqual(["1"])
})

test("with shift all up to the one ticked before are ticked, and taken off again", () => {
  const { ids, toggle } = useSelection(ref(rows(6)))
  toggle("1", false)
  toggle("4", true)
  expect([...ids.value].sort()).toEqual(["1", "2", "3", "4"])
  toggle("2", true)
  expect([...ids.value]).toEqual(["1"])
})

test("no more are ticked than the hub changes at once", () => {
  const { ids, all, isAll } = useSelection(ref(rows(500)))
  all()
  expect([ids.value.size, isAll.value]).toEqual([MOST, true])
  all()
  expect(ids.value.size).toBe(0)
})
