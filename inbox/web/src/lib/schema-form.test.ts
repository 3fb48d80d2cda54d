import { expect, test } from "vitest"
import { changed, filled, grouped } from "./schema-form"
import type { SettingsSchema } from "@/api/admin"

const schema: SettingsSchema = {
  properties: {
    region: { type: "string", default: "RU" },
    token: { type: "string", default: "", writeOnly: true },
    mode: { type: "string", default: "webhook", enum: ["webhook", "polling"] },
    speed: { type: "number", default: 25 },
    loud: { type: "boolean", default: false },
  },
}

test("what has a good default waits below", () => {
  expect(grouped(schema)).toEqual({ main: ["token", "mode", "loud"], further: ["region", "speed"] })
})
test("a number that is asked for stays above", () => {
  expect(grouped({ ...schema, required: ["speed"] }).main).toContain("speed")
})
test("a secret that is set is never put into the form", () => {
  expect(filled(schema, { token: "•••", mode: "polling", loud: true, speed: 3 })).toEqual({ region: "RU", token: "", mode: "polling", speed: "3", loud: true })
})
test("only what was changed is sent, as its type", () => {
  const start = filled(schema)
  expect(changed(schema, start, start)).toEqual({})
  expect(changed(schema, start, { ...start, token: "1:a ", speed: "2.5", loud: true, mode: "polling" })).toEqual({ token: "1:a ", speed: 2.5, loud: true, mode: "polling" })
})
test("an emptied number goes back to its default", () => {
  expect(changed(schema, filled(schema, { speed: 3 }), filled(schema, { speed: "" }))).toEqual({ speed: 25 })
})
