import { expect, test } from "vitest"
import { conversationFor, fuller, isAbout, nameOf, sourceOf } from "./people"

const identity = (kind: string, value: string) => ({ id: value, kind, value, contact_id: "c" })
const talk = (id: string, connector: string, status: string, last_at: string) => ({ id, connector, status, last_at, channel_id: "h", kind: "message" })
const card = (id: string, more: object) => ({ id, kind: "person", version: 1, created_at: "", updated_at: "", ...more })

test("a card without a name is called by its phone or mail, not by a number of a messenger", () => {
  expect(nameOf({ name: "", identities: [identity("telegram", "77"), identity("phone", "+79160000001")] }, "?")).toBe("+79160000001")
  expect(nameOf({ name: "Иван" }, "?")).toBe("Иван")
  expect(nameOf({}, "?")).toBe("?")
})

test("one writes where that address is spoken to, in the open conversation first", () => {
  const of = [talk("old", "email", "resolved", "2026-02-01"), talk("tg", "telegram", "open", "2026-03-01"), talk("mail", "email", "open", "2026-01-01")]
  expect(conversationFor({ kind: "email" }, of)?.id).toBe("mail")
  expect(conversationFor({ kind: "vk" }, of)?.id).toBe("tg")
  expect(conversationFor({ kind: "email" }, [])).toBeNull()
})

test("the source is one line whatever the card has", () => {
  expect(sourceOf({ utm_source: "yandex", referrer: "x" })).toBe("yandex")
  expect(sourceOf({ other: { deep: 1 } })).toBe("")
  expect(sourceOf(undefined)).toBe("")
})

test("in a merge the fuller card is offered to stay", () => {
  expect(fuller(card("a", { name: "Иван" }), card("b", { name: "Иван", owner_id: "o" })).id).toBe("b")
  expect(fuller(card("a", { name: "Иван" }), card("b", { name: "Иван" })).id).toBe("a")
})

test("news of a merged card is news of the one it shows on", () => {
  expect(isAbout({ id: "a", members: ["a", "b"] }, "b")).toBe(true)
  expect(isAbout({ id: "a" }, "c")).toBe(false)
})
