import { expect, test } from "vitest"
import { EMPTY, fromQuery, toAsk, toQuery } from "./narrow"

test("what the list is narrowed to survives the address, and nothing else stands there", () => {
  const narrow = { ...EMPTY, q: "пётр", owner: "me", silent: "90", sort: "name" as const }
  expect(fromQuery(toQuery(narrow))).toEqual(narrow)
  expect(toQuery(EMPTY)).toEqual({})
})

test("an address that somebody wrote by hand does no harm", () => {
  expect(fromQuery({ silent: "often", type: ["x"], sort: "colour", q: ["a", "b"] })).toEqual(EMPTY)
})

test("a whole phone is asked for as an address, a part of one as words", () => {
  expect(toAsk({ ...EMPTY, q: "8 (916) 123-45-67" })).toMatchObject({ identity: "8 (916) 123-45-67", kind: "phone" })
  expect(toAsk({ ...EMPTY, q: "4567" })).toMatchObject({ q: "4567" })
  expect(toAsk({ ...EMPTY, silent: "90" })).toMatchObject({ no_contact_since: 90, order: "desc", owner: undefined })
})
