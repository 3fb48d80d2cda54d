import { expect, test } from "vitest"
import { csvOf } from "./csv"

test("separators, quotes and lines stay within their cell, and no cell is a formula", () => {
  expect(csvOf([["Кто", "Что"], ['ООО "Ива"; склад', "a\nb"], ["=1+1", "@x"]])).toBe('\uFEFFКто;Что\r\n"ООО ""Ива""; склад";"a\nb"\r\n\'=1+1;\'@x\r\n')
})
