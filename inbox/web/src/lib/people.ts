import type { Card, ConversationBrief, Identity } from "@/api/records"
import type { Contact } from "@/api/types"

type Named = Pick<Contact, "name"> & { identities?: Identity[] }

/** How a card is called: its name, else its first address. */
export function nameOf(card: Named, unnamed: string): string {
  return card.name || card.identities?.find((one) => one.kind === "phone" || one.kind === "email")?.value || card.identities?.[0]?.value || unnamed
}
export const addressOf = (card: Named, kind: string): string => card.identities?.find((one) => one.kind === kind && !one.blocked_at)?.value ?? ""

// Which connectors write to which kind of address.
const WRITES: Record<string, RegExp> = {
  email: /^email$/, telegram: /^telegram$/, telegram_username: /^telegram$/, vk: /^vk$/, max: /^max$/, viber: /^viber$/, fb_psid: /^messenger$/,
  ig_igsid: /^instagram$/, avito: /^avito$/, ok: /^ok$/, line: /^line$/, visitor: /^widget$/, site_user: /^widget$/,
  phone: /^(whatsapp|smsc|smsru|smsaero|exolve|twilio|vonage|infobip|messagebird|smpp|kannel)$/, whatsapp_bsuid: /^whatsapp$/,
}
/** Where one writes to this address: a conversation of its own channel, an open one first, else the card's newest; null: there is none yet. */
export function conversationFor(identity: Pick<Identity, "kind">, of: ConversationBrief[]): ConversationBrief | null {
  const newest = [...of].sort((a, b) => Number(a.status === "resolved") - Number(b.status === "resolved") || (a.last_at < b.last_at ? 1 : -1))
  return newest.find((one) => WRITES[identity.kind]?.test(one.connector ?? "")) ?? newest[0] ?? null
}
/** The same, where only a channel that writes to this very kind of address will do. */
export function ownConversation(identity: Pick<Identity, "kind">, of: ConversationBrief[]): ConversationBrief | null {
  const found = conversationFor(identity, of)
  return found && WRITES[identity.kind]?.test(found.connector ?? "") ? found : null
}
/** What a card's source says, as one line. */
export function sourceOf(source: Record<string, unknown> | undefined): string {
  const word = source?.utm_source ?? source?.referrer ?? source?.channel ?? Object.values(source ?? {})[0]
  return typeof word === "string" || typeof word === "number" ? String(word) : ""
}
/** Which of two cards keeps its name in a merge: the one that knows more. */
export function fuller(a: Contact, b: Contact): Contact {
  const weight = (one: Contact): number => (one.name ? 2 : 0) + (one.owner_id ? 2 : 0) + (one.identities?.length ?? 0) + (one.tags?.length ?? 0) + Object.keys(one.custom ?? {}).length
  return weight(b) > weight(a) ? b : a
}
/** Whether news is about this card or one merged into it. */
export function isAbout(card: Pick<Card, "id" | "members">, contact: unknown): boolean {
  return contact === card.id || (typeof contact === "string" && (card.members ?? []).includes(contact))
}
