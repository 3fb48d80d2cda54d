/** What is being written to a client, and what a way of sending takes of it. */
import type { components } from "@/api/schema"

export type Way = components["schemas"]["Way"]
export type Kind = "message" | "note"
/** An uploaded file. */
export interface Uploaded { id: string; name: string; type: string; size: number }
export interface Draft {
  kind: Kind
  text: string
  files: Uploaded[]
  identity_id: string | null
  channel_id: string | null
  reply_to: string | null
  subject: string
}

export const MAX_FILES = 20
export const emptyDraft = (kind: Kind = "message"): Draft => ({ kind, text: "", files: [], identity_id: null, channel_id: null, reply_to: null, subject: "" })
export const isBlank = (draft: Draft): boolean => !draft.text.trim() && !draft.files.length

export const wayKey = (way: Pick<Way, "identity_id" | "channel_id">): string => `${way.identity_id} ${way.channel_id}`

/** The way that is meant: the one chosen, else the conversation's own, else the first by the same address, else the first that is open. */
export function pickWay(ways: readonly Way[], chosen: { identity_id?: string | null; channel_id?: string | null }, own: { identity_id?: string | null; channel_id: string }): Way | null {
  const named = ways.find((way) => way.identity_id === chosen.identity_id && (!chosen.channel_id || way.channel_id === chosen.channel_id))
  if (named) return named
  const sameAddress = ways.filter((way) => way.identity_id === own.identity_id)
  return sameAddress.find((way) => way.channel_id === own.channel_id) ?? sameAddress.find((way) => !way.why_not) ?? ways.find((way) => !way.why_not) ?? ways[0] ?? null
}

export type Obstacle = NonNullable<Way["why_not"]> | "no_files" | "big_file" | "no_text" | "long"
/** Why this can't go that way, or empty; in the order in which one would mend it. */
export function obstacleOf(way: Way, draft: Pick<Draft, "text" | "files">): Obstacle {
  if (way.why_not) return way.why_not
  if (draft.files.length && !way.able.attachments) return "no_files"
  if (draft.text.trim() && way.able.text === false) return "no_text"
  if (draft.text.trim().length > (way.able.max_text ?? Infinity)) return "long"
  return draft.files.some((file) => !!way.able.max_file && file.size > way.able.max_file) ? "big_file" : ""
}

/** What speaks against a file before it is uploaded; `limit` in bytes, 0 for none. */
export function fileObstacle(file: { size: number }, count: number, able: Way["able"] | null): "no_files" | "big_file" | "many_files" | "empty_file" | "" {
  if (able && !able.attachments) return "no_files"
  if (count >= MAX_FILES) return "many_files"
  if (!file.size) return "empty_file"
  return able?.max_file && file.size > able.max_file ? "big_file" : ""
}

// The alphabet of a short message of 160; ^{}\[]~|€ take two places of it.
const GSM = /^[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà^{}\\[\]~|€]*$/
/** Into how many short messages a text is cut. */
export function smsParts(text: string): number {
  const plain = GSM.test(text)
  const length = plain ? text.length + (text.match(/[\^{}\\[\]~|€]/g)?.length ?? 0) : text.length
  const [one, each] = plain ? [160, 153] : [70, 67]
  return length <= one ? 1 : Math.ceil(length / each)
}
