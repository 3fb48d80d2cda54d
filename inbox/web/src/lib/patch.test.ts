import { expect, test } from "vitest"
import type { Conversation } from "@/api/types"
import { laterState, mergeConversation, whole } from "./patch"

const row = (changes: Partial<Conversation>): Conversation => ({ id: "1", version: 1, status: "open", unread: 0, ...changes }) as Conversation

test("a frame that comes late changes nothing", () => {
  const known = row({ version: 5, status: "resolved" })
  expect(mergeConversation(known, row({ version: 4 }))).toBe(known)
})

test("a frame that comes twice leaves the same row", () => {
  const frame = row({ version: 6, unread: 2 })
  const first = mergeConversation(row({ version: 5 }), frame)
  expect(mergeConversation(first, frame)).toEqual(first)
})

test("what a frame leaves out as empty is emptied; what frames never carry stays", () => {
  const known = row({ version: 1, assignee_id: "a", queue_id: "q", frt_due_at: "2026-01-01T00:00:00Z", tags: ["VIP"], created_at: "2025-01-01T00:00:00Z" })
  expect(mergeConversation(known, row({ version: 2 }))).toMatchObject({ assignee_id: undefined, queue_id: undefined, frt_due_at: undefined, tags: ["VIP"], created_at: "2025-01-01T00:00:00Z" })
})

test("what a batch's frame leaves out of the client and the channel is what was known, else his name", () => {
  const frame = { id: "1", contact_id: "c", contact_name: "Пётр", channel_id: "h" } as Conversation
  expect(whole(undefined, frame)).toMatchObject({ contact: { id: "c", name: "Пётр" }, channel: { id: "h" } })
  const known = row({ contact: { id: "c", company: "Ромашка" }, channel: { id: "h", connector: "telegram" } })
  expect(whole(known, frame)).toMatchObject({ contact: { company: "Ромашка", name: "Пётр" }, channel: { connector: "telegram" } })
})

test("states never go back, but a retry begins anew", () => {
  expect(laterState("read", "delivered")).toBe("read")
  expect(laterState("sending", "delivered")).toBe("delivered")
  expect(laterState("sent", "failed")).toBe("failed")
  expect(laterState("failed", "queued")).toBe("queued")
  expect(laterState(undefined, "sent")).toBe("sent")
})
