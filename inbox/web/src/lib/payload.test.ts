import { expect, test } from "vitest"
import { readable } from "./payload"

test("a form is shown in words, a field to a line", () => {
  expect(readable("phone=79006665196&mes=%D0%9F%D0%BE%D0%B4%D1%81%D0%BA%D0%B0%D0%B6%D0%B8+%2C&x=")).toBe("phone = 79006665196\nmes = Подскажи ,\nx = ")
})
test("what is no form stays as it came", () => {
  for (const text of ["", "привет", "a=1 b=2", "From: a@b\nX: y=1", "<a b=\"1\"/>", "=x"]) expect(readable(text)).toBe(text)
})
