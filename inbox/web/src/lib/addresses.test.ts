import { expect, test } from "vitest"
import { canWrite, kindOfText } from "./addresses"

test("what is typed is read as the address it looks like", () => {
  expect(["8 916 123-45-67", " petr@mail.ru", "@petr_e", "https://t.me/petr_e", "t.me/petr"].map(kindOfText)).toEqual(["phone", "email", "telegram_username", "telegram_username", "telegram_username"])
})

test("one writes to phones and messengers, not to codes of other systems", () => {
  expect(["phone", "vk", "visitor", "external", "telegram_username"].filter(canWrite)).toEqual(["phone", "vk", "visitor"])
})
