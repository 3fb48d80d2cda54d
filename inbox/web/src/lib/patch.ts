import type { Conversation } from "@/api/types"

interface Versioned { id: string; version: number }

/** Whether a row or frame is not older than what is known. */
export function isCurrent(known: Versioned | undefined, given: Versioned): boolean {
  return !known || given.version >= known.version
}

/** A frame leaves out what has no value, so those keys are emptied first; what frames never carry stays as it was read. */
export function mergeConversation(known: Conversation | undefined, given: Conversation): Conversation {
  if (!known) return given
  if (!isCurrent(known, given)) return known
  return { ...known, assignee_id: undefined, queue_id: undefined, frt_due_at: undefined, assignment_reason: "", ...given }
}

/** A frame of a batch tells less than a list: who and which channel is then what is known, or at least how he is called. */
export function whole(known: Conversation | undefined, given: Conversation): Conversation {
  if (given.contact && given.channel) return given
  return { ...given, contact: given.contact ?? { ...known?.contact, id: given.contact_id, name: given.contact_name }, channel: given.channel ?? known?.channel ?? { id: given.channel_id } }
}

// Ranks of the ways a message may go; failed and in doubt end it from wherever it was.
const RANK: Record<string, number> = { queued: 1, claimed: 2, sending: 3, sent: 4, delivered: 5, read: 6 }

/** The state to show after news that may come late or doubled: never back, but anew after a retry (`queued` again). */
export function laterState(known: string | null | undefined, given: string): string {
  if (!known || given === "queued") return given
  const [a, b] = [RANK[known], RANK[given]]
  return a !== undefined && b !== undefined && b < a ? known : given
}
