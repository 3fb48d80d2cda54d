import { expect, test } from "vitest"
import { conditionsOf, EMPTY, fromQuery, sameConditions, toAsk, toQuery, without } from "./narrow"

test("what the list is narrowed to survives the address, and nothing else stands there", () => {
  const narrow = { ...EMPTY, q: "пётр", owner: "me", no_contact_since: "90", consent: "marketing:no", custom: { level: "Золото" }, sort: "name" as const }
  expect(fromQuery(toQuery(narrow))).toEqual(narrow)
  expect(toQuery(EMPTY)).toEqual({})
})

test("an address that somebody wrote by hand does no harm", () => {
  expect(fromQuery({ no_contact_since: "often", type: ["x"], sort: "colour", q: ["a", "b"], owner: "<script>", heard_since: "yesterday", consent: "maybe", vip: "1", secret: "x" })).toEqual(EMPTY)
})

test("no more own fields are asked for than the hub takes", () => {
  const query = Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`custom.f${n}`, "x"]))
  expect(Object.keys(fromQuery(query).custom)).toHaveLength(4)
})

test("a whole phone is asked for as an address, a part of one as words", () => {
  expect(toAsk({ ...EMPTY, q: "8 (916) 123-45-67" })).toMatchObject({ identity: "8 (916) 123-45-67", kind: "phone" })
  expect(toAsk({ ...EMPTY, q: "4567" })).toMatchObject({ q: "4567" })
  expect(toAsk({ ...EMPTY, no_contact_since: "90" })).toMatchObject({ no_contact_since: "90", order: "desc", q: undefined })
})

test("a segment is recognised by its conditions, whatever the order or the sorting", () => {
  const narrow = { ...EMPTY, tag: "опт", vip: "true", sort: "name" as const }
  expect(sameConditions(conditionsOf(narrow), { vip: "true", tag: "опт" })).toBe(true)
  expect(sameConditions(conditionsOf(narrow), { tag: "опт" })).toBe(false)
})

test("one condition is taken away alone", () => {
  const narrow = { ...EMPTY, tag: "опт", custom: { a: "1", b: "2" } }
  expect(conditionsOf(without(narrow, "custom.a"))).toEqual({ tag: "опт", "custom.b": "2" })
  expect(conditionsOf(without(narrow, "tag"))).toEqual({ "custom.a": "1", "custom.b": "2" })
})
