import type { Interaction, InteractionKind } from "@/api/types"

export interface Row {
  item: Interaction
  kind: InteractionKind
  /** A date line stands above: this is the first of its day. */
  day: boolean
  /** Follows another of the same author within five minutes: no name, less room. */
  joined: boolean
  /** The first of another channel than the one before. */
  turn: boolean
  /** The first that had not been read when the stream was opened. */
  fresh: boolean
}

const TOGETHER_MS = 300_000

export function bubbleOf(item: Interaction): InteractionKind {
  if (item.kind === "call" || item.kind === "form" || item.kind === "note") return item.kind
  return item.html || item.subject ? "email" : "message"
}

export function authorOf(item: Interaction): string {
  return item.direction === "in" ? `in ${item.identity_id ?? item.sender?.value ?? ""}` : `out ${item.agent_id ?? item.sender?.value ?? ""}`
}

/** By the order of the stream; what waits for the hub's answer is last. */
export function ordered(items: Iterable<Interaction>): Interaction[] {
  return [...items].sort((a, b) => Number(!!a.pending) - Number(!!b.pending) || (a.at < b.at ? -1 : a.at > b.at ? 1 : 0) || (a.id < b.id ? -1 : 1))
}

const same = (a: Row, b: Row): boolean => a.item === b.item && a.day === b.day && a.joined === b.joined && a.turn === b.turn && a.fresh === b.fresh

/** `dayOf`: the day of a moment where the reader is; `fresh`: the id of the first unread. Of `before`, the rows that stay as they were stay the same objects, so that they are not drawn again. */
export function grouped(items: Interaction[], dayOf: (at: string) => string, fresh?: string, before?: ReadonlyMap<string, Row>): Row[] {
  return items.map((item, index) => {
    const last = items[index - 1]
    const day = !last || dayOf(last.at) !== dayOf(item.at)
    const kind = bubbleOf(item)
    const turn = !!last && !!item.channel_id && !!last.channel_id && last.channel_id !== item.channel_id
    const joined = !day && !turn && !!last && bubbleOf(last) === kind && authorOf(last) === authorOf(item) && Date.parse(item.at) - Date.parse(last.at) < TOGETHER_MS
    const row = { item, kind, day, joined, turn, fresh: item.id === fresh }
    const known = before?.get(item.id)
    return known && same(known, row) ? known : row
  })
}

/** Of what came in last, `unread` items: the first of them, above which the line stands. */
export function firstUnread(items: Interaction[], unread: number): string | undefined {
  let left = unread
  for (let at = items.length - 1; at >= 0 && left > 0; at--) if (items[at]!.direction === "in" && --left === 0) return items[at]!.id
  return undefined
}
