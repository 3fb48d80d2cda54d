import type { Draft } from "@/lib/compose"
import type { components } from "./schema"

type Schemas = components["schemas"]
export type Agent = Schemas["AgentItem"]
export type Channel = Schemas["ChannelItem"]
export type Contact = Schemas["ContactItem"]
export type Conversation = Schemas["ConversationItem"]
export type Queue = Schemas["QueueItem"]
export type Outbound = Schemas["OutboundItem"]
export type PresenceState = Schemas["Presence"]["state"]

export interface Address { kind: string; value: string; scope?: string; name?: string }
export interface Attachment { id?: string; name?: string; type?: string; size?: number }
export interface Call {
  state?: string
  outcome?: string
  talk_s?: number
  wait_s?: number
  employee?: string
  our_number?: string
  recording?: unknown
}
export interface Failure { class?: string; code?: string; text?: string }

/** The document leaves these open; here is what the hub writes. */
export type Interaction = Omit<Schemas["InteractionItem"], "sender" | "attachments" | "call" | "error" | "meta"> & {
  sender?: Address | null
  attachments?: Attachment[] | null
  call?: Call | null
  error?: Failure | null
  meta?: Record<string, unknown> | null
  /** Set while the hub has not answered yet: the key of the request. */
  pending?: string
  outbound_id?: string
  /** When it leaves, while it waits for that; until when, on this page's clock, it can be undone, and what was written. */
  send_at?: string
  undo_until?: number
  draft?: Draft
  /** Where it was written, when it went over another channel. */
  from_conversation?: string
}
/** How an interaction is drawn. */
export type InteractionKind = "message" | "email" | "call" | "form" | "note"

export interface Frame { id: number; type: string; at: string; data: Record<string, unknown>; v: number }
