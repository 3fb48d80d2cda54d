import { expect, test } from "vitest"
import { excerpt, highlighted } from "./highlight"

const marked = (text: string, words: string): string => highlighted(text, words).map((piece) => (piece.hit ? `[${piece.text}]` : piece.text)).join("")

test("all forms of the words are marked, ё as е, and nothing of the text is lost", () => {
  expect(marked("Торты и тортик, ещё один торт.", "торта")).toBe("[Торты] и [тортик], ещё один [торт].")
  expect(marked("Пётр заказал пирог", "петр")).toBe("[Пётр] заказал пирог")
  expect(marked("<b>торт</b>", "торт")).toBe("<b>[торт]</b>")
})

test("a word with a minus was not looked for", () => {
  expect(marked("торт с вишней", "торт -вишня")).toBe("[торт] с вишней")
})

test("of a long text the part with the first hit is shown", () => {
  const long = `${"слово ".repeat(100)}торт ${"конец ".repeat(100)}`
  const found = excerpt(long, "торт")
  expect(found).toContain("торт")
  expect(found.length).toBeLessThan(170)
  expect(found.startsWith("…") && found.endsWith("…")).toBe(true)
  expect(excerpt("коротко", "торт")).toBe("коротко")
})
