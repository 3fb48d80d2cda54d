import { expect, test } from "vitest"
import { clockIn, dayText, languageText, sourceRows, zonesFor } from "./card-words"

test("a day is read, anything else stays as it is", () => {
  expect(dayText("1990-11-25", "ru")).toContain("25 ноября 1990")
  expect(dayText("<b>", "ru")).toBe("<b>")
})

test("the source is told in a fixed order, without what is empty", () => {
  expect(sourceRows({ zeta: 1, utm_campaign: "осень", utm_source: "yandex", referrer: "", extra: { a: 1 } })).toEqual([["utm_source", "yandex"], ["utm_campaign", "осень"], ["extra", '{"a":1}'], ["zeta", "1"]])
  expect(sourceRows(undefined)).toEqual([])
})

test("a zone that is set stays in the list, each stands there once", () => {
  const zones = zonesFor("Mars/Base", ["Europe/Moscow", "Africa/Cairo"])
  expect([zones[0], zones.at(-1), new Set(zones).size]).toEqual(["Mars/Base", "Africa/Cairo", zones.length])
})

test("a zone and a language that nobody knows break nothing", () => {
  expect([clockIn("Mars/Base", "ru", 0), clockIn("Europe/Moscow", "ru", 0)]).toEqual(["", "03:00"])
  expect([languageText("de", "ru"), languageText("!", "ru")]).toEqual(["немецкий", "!"])
})
