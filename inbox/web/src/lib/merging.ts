/** Two cards side by side: what differs, which value wins, and what to ask the hub for. */
import type { Contact } from "@/api/types"

/** A field of which the merged card has one value: `part` is its name in the request. */
export interface Choice { part: string; values: [unknown, unknown] }
export type Side = 0 | 1
type Chosen = Readonly<Record<string, Side>>

const PARTS = ["name", "owner_id", "company_id", "birthday", "language", "timezone", "vip"] as const
const isEmpty = (value: unknown): boolean => value === undefined || value === null || value === "" || value === false

/** Every field that one of the two has, in the order of a card; own fields last. */
export function choicesOf(first: Contact, second: Contact): Choice[] {
  const keys = [...new Set([...Object.keys(first.custom ?? {}), ...Object.keys(second.custom ?? {})])]
  const custom = (card: Contact, key: string): unknown => (card.custom as Record<string, unknown> | undefined)?.[key]
  const all: Choice[] = [
    ...PARTS.map((part): Choice => ({ part, values: [first[part], second[part]] })),
    ...keys.map((key): Choice => ({ part: `custom:${key}`, values: [custom(first, key), custom(second, key)] })),
  ]
  return all.filter((one) => !one.values.every(isEmpty))
}
/** Whether there is something to choose. */
export const differs = (one: Choice): boolean => !one.values.some(isEmpty) && JSON.stringify(one.values[0]) !== JSON.stringify(one.values[1])
/** Which side's value the merged card gets: the one chosen, else that of the card that stays, else whoever has one. */
export function winner(one: Choice, kept: Side, chosen: Chosen): Side {
  if (isEmpty(one.values[0])) return 1
  if (isEmpty(one.values[1])) return 0
  return chosen[one.part] ?? kept
}
/** The fields in which the other card's value is to win. */
export function takeOf(choices: readonly Choice[], kept: Side, chosen: Chosen): string[] {
  return choices.filter((one) => differs(one) && winner(one, kept, chosen) !== kept).map((one) => one.part)
}
