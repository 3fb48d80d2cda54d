import { expect, test } from "vitest"
import { EMPTY, fromQuery, isAddress, toAsk, toQuery } from "./seek"

test("what is looked for survives the address, and nonsense in it does not", () => {
  const seek = { ...EMPTY, q: "торт", in: "messages" as const, channel: "c", from: "2026-11-01" }
  expect(fromQuery(toQuery(seek))).toEqual(seek)
  expect(fromQuery({ q: ["a"], in: "x", from: "yesterday" })).toEqual(EMPTY)
  expect(toQuery(EMPTY)).toEqual({ q: "" })
})

test("days are whole days of the reader", () => {
  const asked = toAsk({ ...EMPTY, q: "x", from: "2026-11-01", to: "2026-11-01" })
  expect(Date.parse(asked.until!) - Date.parse(asked.since!)).toBe(86_400_000)
})

test("a phone or a mail address is no name", () => {
  expect([isAddress("+7 916 123"), isAddress("a@b.ru"), isAddress("Пётр")]).toEqual([true, true, false])
})
