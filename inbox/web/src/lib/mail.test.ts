import { expect, test } from "vitest"
import { hasForeign, isRich } from "./mail"

test("plain paragraphs are read as text, what has a look is shown as it looks", () => {
  expect(isRich("<p>Добрый день</p><div>да<br>нет</div>")).toBe(false)
  expect(isRich('<p>см. <a href="https://a.example">здесь</a></p>')).toBe(true)
  expect(isRich('<p style="color:red">да</p>')).toBe(true)
  expect(isRich("<table><tr><td>1</td></tr></table>")).toBe(true)
  expect(isRich(undefined)).toBe(false)
})

test("only pictures of other servers are asked about", () => {
  expect(hasForeign('<img alt="x" data-src="https://a.example/1.png">')).toBe(true)
  expect(hasForeign('<img src="cid:1">')).toBe(false)
})
