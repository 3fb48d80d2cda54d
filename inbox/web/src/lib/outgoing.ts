/** A message of ours as it is shown before and after the hub has it. */
import type { Agent, Interaction } from "@/api/types"
import type { Send } from "./sends"

/** By its key in the place of an id. */
export function localOf(send: Send, agent: Agent | null): Interaction {
  return {
    id: `local ${send.key}`, pending: send.key, at: new Date(send.at).toISOString(), received_at: "", kind: send.draft.kind, direction: "out", text: send.draft.text.trim(), state: "sending",
    agent_id: agent?.id, sender: { kind: "agent", value: agent?.id ?? "", name: agent?.name }, channel_id: send.draft.channel_id ?? "", contact_id: "", conversation_id: send.conversation,
    attachments: send.draft.files.length ? send.draft.files : null, subject: send.draft.subject.trim() || undefined,
    meta: Object.keys(send.meta).length ? send.meta : null,
  }
}
/** `undo_until`: so long, by this page's clock, it can be taken back; the hub counts from when it came, so never too long. */
export function withOutbound(item: Interaction, accepted: { outbound_id?: string | null; send_at?: string | null }, send: Send, began: number): Interaction {
  const waits = item.state === "queued" && !!accepted.send_at
  return {
    ...item,
    outbound_id: accepted.outbound_id ?? undefined,
    send_at: waits ? (accepted.send_at ?? undefined) : undefined,
    undo_until: waits && send.hold_s > 0 && !send.send_at ? began + send.hold_s * 1_000 : undefined,
    draft: send.draft,
    from_conversation: send.conversation,
  }
}
/** The provider's template that went in the place of words; empty: none did. */
export function templateOf(item: Interaction): string {
  const template = item.meta?.template
  return typeof template === "string" ? template : typeof template === "object" && template && "name" in template ? String(template.name) : ""
}
/** Whole seconds in which it can still be taken back. */
export const undoLeft = (item: Interaction, now: number): number => (item.undo_until ? Math.max(0, Math.ceil((item.undo_until - now) / 1_000)) : 0)

// Words of the hub's refusals that people can do something about; the rest is told as the provider told it.
const KNOWN = new Set(["retry", "rate_limited", "permanent", "blocked", "window_closed", "channel", "in_doubt", "unreachable", "stale", "conflict", "bad_request", "too_big", "not_found", "forbidden"])
/** The name of the sentence that explains a failure, empty where there is none. */
export function failureWord(failure: { class?: string; code?: string } | null | undefined): string {
  if (failure?.class && KNOWN.has(failure.class)) return failure.class
  return failure?.code && KNOWN.has(failure.code) ? failure.code : ""
}
