import { expect, test } from "vitest"
import type { Contact } from "@/api/types"
import { choicesOf, differs, takeOf, winner } from "./merging"

const card = (given: object): Contact => ({ id: "", kind: "person", version: 0, created_at: "", updated_at: "", ...given }) as unknown as Contact
const first = card({ name: "Пётр", owner_id: "anna", custom: { inn: "1", size: "s" } })
const second = card({ name: "Пётр Ёлкин", birthday: "1990-01-01", custom: { inn: "2" } })

test("fields that neither has are left out, own fields stand last", () => {
  expect(choicesOf(first, second).map((one) => one.part)).toEqual(["name", "owner_id", "birthday", "custom:inn", "custom:size"])
})

test("only what both have, and differently, is to be chosen", () => {
  expect(choicesOf(first, second).filter(differs).map((one) => one.part)).toEqual(["name", "custom:inn"])
})

test("what one lacks comes from the other, whoever stays", () => {
  const [, owner, birthday] = choicesOf(first, second)
  expect([winner(owner!, 1, {}), winner(birthday!, 0, {}), winner(owner!, 1, { owner_id: 1 })]).toEqual([0, 1, 0])
})

test("only the values that win against the card that stays are asked for", () => {
  const choices = choicesOf(first, second)
  expect(takeOf(choices, 0, {})).toEqual([])
  expect(takeOf(choices, 0, { name: 1, "custom:inn": 0 })).toEqual(["name"])
  expect(takeOf(choices, 1, { name: 1, "custom:inn": 0 })).toEqual(["custom:inn"])
})
