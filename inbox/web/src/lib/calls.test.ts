import { expect, test } from "vitest"
import { endOf, EVERY, fromQuery, toAsk, toQuery } from "./calls"

test("a day asked for is whole, where the reader is", () => {
  const asked = toAsk({ ...EVERY, from: "2026-05-05", to: "2026-05-05" })
  expect(Date.parse(asked.to!) - Date.parse(asked.from!)).toBe(86_400_000)
  expect(new Date(asked.from!).getHours()).toBe(0)
})

test("who still waits to be called back is asked as such", () => {
  expect(toAsk({ ...EVERY, view: "back" })).toMatchObject({ missed_not_called_back: true, outcome: undefined, direction: undefined })
  expect(toAsk({ ...EVERY, view: "out" })).toMatchObject({ direction: "out" })
})

test("what the journal is narrowed to survives the address; nonsense there does no harm", () => {
  const narrow = { view: "missed" as const, agent: "me", from: "2026-05-05", to: "" }
  expect(fromQuery(toQuery(narrow))).toEqual(narrow)
  expect(fromQuery({ view: "x", from: "yesterday", agent: ["a"] })).toEqual(EVERY)
})

test("a client who did not answer us is not a call we missed", () => {
  expect(endOf({ outcome: "missed", state: "finished", direction: "out" })).toBe("unanswered")
  expect(endOf({ outcome: null, state: "held", direction: "in" })).toBe("talking")
  expect(endOf({ outcome: null, state: "ivr", direction: "in" })).toBe("ringing")
})
