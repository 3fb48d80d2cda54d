import { expect, test } from "vitest"
import { latin, pressOf } from "./keys"

const press = (key: string, ctrlKey = false): string => latin(pressOf({ key, ctrlKey, metaKey: false, altKey: false }))

test("keys are the same with the Russian layout on", () => {
  expect([press("о"), press("л"), press("Л", true), press("J"), press("?")]).toEqual(["j", "k", "mod+k", "j", "?"])
})

test("named keys keep their names", () => {
  expect(press("Enter", true)).toBe("mod+Enter")
})
