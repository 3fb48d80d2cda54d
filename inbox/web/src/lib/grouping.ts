import type { Interaction, InteractionKind } from "@/api/types"

export interface Row {
  item: Interaction
  kind: InteractionKind
  /** A date line stands above: this is the first of its day. */
  day: boolean
  /** Follows another of the same author within five minutes: no name, less room. */
  joined: boolean
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

/** `dayOf`: the day of a moment where the reader is. */
export function grouped(items: Interaction[], dayOf: (at: string) => string): Row[] {
  return items.map((item, index) => {
    const before = items[index - 1]
    const day = !before || dayOf(before.at) !== dayOf(item.at)
    const kind = bubbleOf(item)
    const joined = !day && !!before && bubbleOf(before) === kind && authorOf(before) === authorOf(item) && Date.parse(item.at) - Date.parse(before.at) < TOGETHER_MS
    return { item, kind, day, joined }
  })
}
