/** The queue of what is to be sent: kept by the browser until the hub has taken it, each with its own key, so that it goes once. */
import type { Failure } from "@/api/types"
import type { Draft } from "./compose"

export interface Send {
  key: string
  conversation: string
  /** When it was written, milliseconds. */
  at: number
  draft: Draft
  mentions: string[]
  meta: Record<string, unknown>
  hold_s: number
  send_at: string | null
  /** Why the hub did not take it; it waits for a person then. */
  refused: Failure | null
}

/** The hub forgets a key after a day: what is older might go twice, and is for a person to decide. */
export const STALE_MS = 20 * 3_600_000

/** What goes next: the oldest that was not refused. Each conversation's messages keep their order. */
export function nextSend(queue: readonly Send[]): Send | undefined {
  return queue.find((one) => !one.refused)
}
/** After the page was opened again: what is too old waits for a person. */
export function revived(queue: readonly Send[], now: number): Send[] {
  return queue.map((one) => (!one.refused && now - one.at > STALE_MS ? { ...one, refused: { class: "stale", code: "stale", text: "" } } : one))
}
/** What the browser kept; anything else is nobody's message. */
export function readSends(text: string | null): Send[] {
  try {
    const found: unknown = JSON.parse(text ?? "[]")
    return Array.isArray(found) ? found.filter((one): one is Send => typeof one?.key === "string" && typeof one.conversation === "string" && typeof one.draft?.text === "string") : []
  } catch {
    return []
  }
}
/** Sent anew by a person: a key of its own where the hub may have forgotten the old one. */
export function renewed(send: Send, now: number, newKey: () => string): Send {
  return { ...send, refused: null, at: now, key: send.refused?.class === "stale" ? newKey() : send.key }
}
/** Whether the hub is away, and the same is to be tried again: not a refusal. */
export const isPassing = (status: number): boolean => status === 0 || status === 401 || status === 429 || (status >= 502 && status <= 504)

/** The request of one. */
export function toMessage({ draft, mentions, meta, hold_s, send_at }: Send) {
  const note = draft.kind === "note"
  return {
    kind: draft.kind,
    text: draft.text.trim(),
    attachments: draft.files.map((file) => file.id),
    ...(note ? { mentions } : { identity: draft.identity_id, channel: draft.channel_id, reply_to: draft.reply_to, hold_s, send_at, meta: { ...meta, ...(draft.subject.trim() ? { subject: draft.subject.trim() } : {}) } as Record<string, never> }),
  }
}
