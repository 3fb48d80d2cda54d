import { expect, test } from "vitest"
import { narrowed } from "./options"

const all = [{ id: "1", label: "Анна Белова" }, { id: "2", label: "Борис Кузнецов", also: "mail" }, { id: "3", label: "Пётр Анисимов" }]
const ids = (words: string): string => narrowed(all, words).map((one) => one.id).join("")

test("words that begin so come first, then those that hold it; ё is е; other names count", () => {
  expect(ids("")).toBe("123")
  expect(ids("ан")).toBe("13")
  expect(ids("бел")).toBe("1")
  expect(ids("ПЕТР")).toBe("3")
  expect(ids("нец")).toBe("2")
  expect(ids("mai")).toBe("2")
  expect(ids("xx")).toBe("")
})
