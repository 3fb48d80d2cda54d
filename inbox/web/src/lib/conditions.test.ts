import { expect, test } from "vitest"
import { reordered, toConditions, toForm } from "./conditions"

test("what a rule asks survives the form", () => {
  const kept = { channel: ["a"], text: ["торт*"], vip: false, source: { utm_source: ["yandex", "vk"], referrer: ["x"] } }
  expect(toConditions(toForm(kept))).toEqual(kept)
})
test("an empty form asks nothing", () => {
  expect(toConditions(toForm())).toEqual({})
  expect(toConditions(toForm({ source: "?", tag: 3 }))).toEqual({})
})
test("a source without a name is an advertising source", () => {
  expect(toConditions({ ...toForm(), source: ["yandex", " utm_medium = cpc ", "=x"] })).toEqual({ source: { utm_source: ["yandex"], utm_medium: ["cpc"] } })
})
test("a rule moves by one place and not off the ends", () => {
  expect(reordered(["a", "b", "c"], "c", -1)).toEqual(["a", "c", "b"])
  expect(reordered(["a", "b", "c"], "a", 1)).toEqual(["b", "a", "c"])
  expect(reordered(["a", "b"], "a", -1)).toEqual(["a", "b"])
  expect(reordered(["a", "b"], "z", 1)).toEqual(["a", "b"])
})
