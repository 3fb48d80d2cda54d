/** Drafts: kept on this device at once and by the hub soon after; of two pages none overwrites the other unseen. */
import type { components } from "@/api/schema"
import { emptyDraft, isBlank, type Draft } from "./compose"

export type DraftItem = components["schemas"]["DraftItem"]
/** `seen_at`: which state at the hub this one goes on from; `dirty`: the hub does not have it yet; `other`: what another page wrote meanwhile. */
export interface Kept { draft: Draft; seen_at: string | null; dirty: boolean; other: DraftItem | null }

export const nothingKept = (): Kept => ({ draft: emptyDraft(), seen_at: null, dirty: false, other: null })

export function fromItem(item: DraftItem): Draft {
  const { kind, text, identity_id, channel_id, reply_to, meta } = item
  const subject = typeof meta?.subject === "string" ? meta.subject : ""
  return { kind: kind === "note" ? "note" : "message", text: text ?? "", files: item.files ?? [], identity_id: identity_id ?? null, channel_id: channel_id ?? null, reply_to: reply_to ?? null, subject }
}
/** The document leaves `meta` open, which its types tell as empty. */
export function toBody(draft: Draft): { kind: Draft["kind"]; text: string; attachments: string[]; identity_id: string | null; channel_id: string | null; reply_to: string | null; meta: Record<string, never> } {
  const { kind, text, identity_id, channel_id, reply_to, subject } = draft
  return { kind, text, attachments: draft.files.map((file) => file.id), identity_id, channel_id, reply_to, meta: (subject ? { subject } : {}) as Record<string, never> }
}
export const sameDraft = (a: Draft, b: Draft): boolean => JSON.stringify(toBody(a)) === JSON.stringify(toBody(b))

/** The next one to be written: where it goes stays as it was chosen. */
export const emptied = ({ kind, identity_id, channel_id, subject }: Draft): Draft => ({ ...emptyDraft(kind), identity_id, channel_id, subject })

/** What to show after the hub said what it has (null: nothing). Words that only this page has are never replaced. */
export function heard(kept: Kept, item: DraftItem | null): Kept {
  if (!item) return kept.dirty && !isBlank(kept.draft) ? { ...kept, seen_at: null, other: null } : { ...nothingKept(), draft: emptied(kept.draft) }
  const theirs = fromItem(item)
  if (!kept.dirty || isBlank(kept.draft) || sameDraft(kept.draft, theirs)) return { draft: theirs, seen_at: item.updated_at, dirty: false, other: null }
  if (item.updated_at === kept.seen_at) return kept
  return { ...kept, other: item }
}
/** One of the two is chosen: theirs, or mine over theirs. */
export function chosen(kept: Kept, theirs: boolean): Kept {
  if (!kept.other) return kept
  const seen_at = kept.other.updated_at
  return theirs ? { draft: fromItem(kept.other), seen_at, dirty: false, other: null } : { ...kept, seen_at, dirty: true, other: null }
}
/** What comes back into the composer goes before what was begun there since. */
export function joined(back: Draft, begun: Draft): Draft {
  if (isBlank(begun)) return { ...back }
  const ids = new Set(begun.files.map((file) => file.id))
  return { ...begun, text: [back.text, begun.text].filter((text) => text.trim()).join("\n"), files: [...back.files.filter((file) => !ids.has(file.id)), ...begun.files] }
}
/** As this device has it; a line of text is what an earlier version of the page kept. */
export function parsed(text: string | null): Kept {
  if (!text) return nothingKept()
  try {
    const found = JSON.parse(text) as Partial<Kept> | null
    if (found && typeof found === "object" && found.draft) return { ...nothingKept(), ...found, draft: { ...emptyDraft(), ...found.draft } }
  } catch {
    // Not ours: the words of somebody who wrote before.
  }
  return { ...nothingKept(), draft: { ...emptyDraft(), text }, dirty: true }
}
