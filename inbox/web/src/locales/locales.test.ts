import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"

const HERE = import.meta.dirname
type Words = { [key: string]: string | Words }

function keysOf(words: Words, prefix: string): string[] {
  return Object.entries(words).flatMap(([key, value]) => (typeof value === "string" ? [`${prefix}.${key}`] : keysOf(value, `${prefix}.${key}`)))
}
function wordsOf(language: string): Set<string> {
  const files = readdirSync(join(HERE, language))
  return new Set(files.flatMap((file) => keysOf(JSON.parse(readFileSync(join(HERE, language, file), "utf8")) as Words, file.replace(/\.json$/, ""))))
}
function sources(): string[] {
  const files = readdirSync(join(HERE, ".."), { withFileTypes: true, recursive: true }).filter((one) => /\.(vue|ts)$/.test(one.name) && !one.name.endsWith(".test.ts"))
  return files.map((one) => readFileSync(join(one.parentPath, one.name), "utf8"))
}

test("Russian and English say the same things", () => {
  expect([...wordsOf("ru")].sort()).toEqual([...wordsOf("en")].sort())
})

test("every word that is asked for is there", () => {
  const known = wordsOf("ru")
  const asked = sources().flatMap((text) => [...text.matchAll(/\bt\(\s*"([\w.]+)"/g), ...text.matchAll(/\blabel: "(\w+\.\w+)"/g)].map((found) => found[1]!))
  expect(asked.length).toBeGreaterThan(50)
  expect(asked.filter((key) => !known.has(key))).toEqual([])
})

test("every family of words that is asked for by a variable is there", () => {
  const known = [...wordsOf("ru")]
  const families = sources().flatMap((text) => [...text.matchAll(/\bt\(`([\w.]+)\$\{/g)].map((found) => found[1]!))
  expect(families.filter((family) => !known.some((key) => key.startsWith(family)))).toEqual([])
})

test("no component speaks Russian by itself", () => {
  const files = readdirSync(join(HERE, ".."), { withFileTypes: true, recursive: true }).filter((one) => one.name.endsWith(".vue") && !one.name.startsWith("AppLanguage"))
  const spoken = files.filter((one) => /[а-яё]/i.test(readFileSync(join(one.parentPath, one.name), "utf8").replace(/\/\/.*$/gm, "")))
  expect(spoken.map((one) => one.name)).toEqual([])
})
