import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"

type Words = { [key: string]: string | Words }
const HERE = import.meta.dirname
const flat = (words: Words): string[] => Object.values(words).flatMap((one) => (typeof one === "string" ? [one] : flat(one)))

test("no sentence has a sign that the page would read as a command: an at sign stands in quotes and braces", () => {
  const all = ["ru", "en"].flatMap((language) => readdirSync(join(HERE, language)).flatMap((file) => flat(JSON.parse(readFileSync(join(HERE, language, file), "utf8")) as Words)))
  expect(all.length).toBeGreaterThan(100)
  expect(all.filter((one) => one.replaceAll("{'@'}", "").includes("@"))).toEqual([])
})
