import { expect, test } from "vitest"
import { FIRST, fitting, LIMITS } from "./panes"

test("what was kept is believed within bounds, and nonsense is forgotten", () => {
  expect(fitting({ list: 400, card: 350, folded: true }, 2000)).toEqual({ list: 400, card: 350, folded: true })
  expect(fitting({ list: 9999, card: 1 }, 3000)).toEqual({ list: LIMITS.list[1], card: LIMITS.card[0], folded: false })
  for (const odd of [null, "x", 7, { list: "wide", card: {} }, { list: NaN, card: -4 }]) expect(fitting(odd, 2000)).toEqual(FIRST)
})

test("the conversation keeps its room on a narrow screen", () => {
  expect(fitting({ list: 560, card: 300 }, 1100).list).toBe(420)
  expect(fitting({ list: 560, card: 300 }, 700).list).toBe(LIMITS.list[0])
})
