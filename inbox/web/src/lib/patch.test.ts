import { expect, test } from "vitest"
import type { Conversation } from "@/api/types"
import { laterState, mergeConversation } from "./patch"

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

test("states never go back, but a retry begins anew", () => {
  expect(laterState("read", "delivered")).toBe("read")
  expect(laterState("sending", "delivered")).toBe("delivered")
  expect(laterState("sent", "failed")).toBe("failed")
  expect(laterState("failed", "queued")).toBe("queued")
  expect(laterState(undefined, "sent")).toBe("sent")
})
