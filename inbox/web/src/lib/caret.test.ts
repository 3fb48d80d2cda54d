import { expect, test } from "vitest"
import { answered, askAt, found, mentionsIn } from "./caret"

test("a slash at the beginning of a word asks for a canned answer", () => {
  expect(askAt("/", 1, ["/"])).toEqual({ sign: "/", words: "", from: 0, to: 1 })
  expect(askAt("Да. /прив", 9, ["/"])).toMatchObject({ words: "прив", from: 4 })
  expect(askAt("Строка\n/час", 11, ["/"])).toMatchObject({ words: "час", from: 7 })
})

test("a slash inside of a word, an address or a date asks for nothing", () => {
  for (const text of ["и/или", "https://x.ru/a", "1/2", "/a /", "/a b"]) expect(askAt(text, text.length, ["/"])?.words || null, text).toBeNull()
})

test("only what stands before the caret counts", () => {
  expect(askAt("/привет", 3, ["/"])).toMatchObject({ words: "пр", to: 3 })
  expect(askAt("слово /привет", 5, ["/"])).toBeNull()
})

test("a colleague is named by one word or two, and only where that is offered", () => {
  expect(askAt("Спроси @Анна Бе", 15, ["@"])).toMatchObject({ words: "Анна Бе", from: 7 })
  expect(askAt("почта a@b", 9, ["@"])).toBeNull()
  expect(askAt("@Анна", 5, ["/"])).toBeNull()
})

test("what was chosen stands in the place of the asking", () => {
  expect(answered("Да /пр, жду", { sign: "/", words: "пр", from: 3, to: 6 }, "Привет")).toEqual({ text: "Да Привет, жду", caret: 9 })
})

test("names that begin so come first, ё is е", () => {
  const rows = [{ n: "цена", t: "Ещё дороже" }, { n: "еще", t: "" }, { n: "час", t: "" }]
  expect(found(rows, "Ещё", (row) => row.n, (row) => row.t).map((row) => row.n)).toEqual(["еще", "цена"])
  expect(found(rows, "", (row) => row.n)).toHaveLength(3)
})

test("a note names each colleague once, and the longer name wins", () => {
  const people = [{ id: "1", name: "Анна" }, { id: "2", name: "Анна Белова" }, { id: "3", name: "Ян" }]
  expect(mentionsIn("@Анна Белова, глянь. И ещё раз @Анна Белова", people)).toEqual(["2"])
  expect(mentionsIn("@Анна и @Анна Белова", people)).toEqual(["2", "1"])
  expect(mentionsIn("@Янка", people)).toEqual([])
})
