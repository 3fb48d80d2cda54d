import { expect, test } from "vitest"
import { SortedRows } from "./sorted"

interface One { id: string; at: number }
const compare = (a: One, b: One): number => b.at - a.at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

test("whatever changes in whatever order, it stands as a sort would have it", () => {
  const rows = new SortedRows<One>(compare)
  const plain = new Map<string, One>()
  let seed = 7
  const chance = (n: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % n
  for (let turn = 0; turn < 3000; turn++) {
    const id = `r${chance(60)}`
    if (chance(4) === 0) {
      expect(rows.drop(id)).toBe(plain.delete(id))
      continue
    }
    const row = { id, at: chance(20) }
    rows.put(row)
    plain.set(id, row)
  }
  expect(rows.all()).toEqual([...plain.values()].sort(compare))
  expect(rows.size).toBe(plain.size)
})

test("a change that keeps the place keeps the others where they are, and the same row twice is no change", () => {
  const rows = new SortedRows<One>(compare)
  rows.fill([{ id: "a", at: 1 }, { id: "b", at: 2 }])
  const again = { id: "a", at: 1 }
  expect(rows.put(again)).toBe(true)
  expect(rows.put(again)).toBe(false)
  expect(rows.all().map((one) => one.id)).toEqual(["b", "a"])
})

test("a frame among ten thousand takes no sort", () => {
  let asked = 0
  const rows = new SortedRows<One>((a, b) => (asked++, compare(a, b)))
  rows.fill(Array.from({ length: 10_000 }, (_, n) => ({ id: `r${n}`, at: n })))
  asked = 0
  rows.put({ id: "r5", at: 20_000 })
  expect(asked).toBeLessThan(40)
})
