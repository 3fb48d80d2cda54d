/** What the list of contacts is narrowed to: in the page's address and in saved segments under the hub's own names. */
export type Sort = "name" | "last" | "created"
const PLAIN = ["q", "owner", "tag", "source", "type", "no_contact_since", "heard_since", "heard_before", "consent", "open_task", "channel", "birthday_month", "vip"] as const
export type Condition = (typeof PLAIN)[number]
export type ContactNarrow = Record<Condition, string> & { custom: Record<string, string>; sort: Sort }
export const EMPTY: ContactNarrow = { ...(Object.fromEntries(PLAIN.map((name) => [name, ""])) as Record<Condition, string>), custom: {}, sort: "last" }

const SORTS = ["name", "last", "created"] as const
const CUSTOM = "custom."
const MAX_CUSTOM = 4
const ID = /^[0-9a-f-]{36}$/
const DAY = /^\d{4}-\d\d-\d\d$/
const FLAG = /^(true|false)$/
const ANY = /^[^\0]{1,200}$/s
const GOOD: Record<Condition, RegExp> = {
  q: ANY, tag: /^[^\0]{1,100}$/s, source: ANY, owner: /^(me|none|[0-9a-f-]{36})$/, type: /^(person|company)$/, no_contact_since: /^\d{1,5}$/, heard_since: DAY, heard_before: DAY,
  consent: /^[^\0]{1,60}:(yes|no|unasked)$/s, open_task: FLAG, channel: ID, birthday_month: /^(\d|1[0-2])$/, vip: FLAG,
}
type Query = Record<string, unknown>
const isText = (value: unknown): value is string => typeof value === "string" && value !== ""

/** What does not fit is left out: an address may be written by hand, a segment by an older page. */
export function fromQuery(query: Query): ContactNarrow {
  const plain = PLAIN.map((name) => [name, isText(query[name]) && GOOD[name].test(query[name]) ? query[name] : ""])
  const custom = Object.entries(query).filter(([key, value]) => key.startsWith(CUSTOM) && isText(value)).slice(0, MAX_CUSTOM)
  return {
    ...(Object.fromEntries(plain) as Record<Condition, string>),
    custom: Object.fromEntries(custom.map(([key, value]) => [key.slice(CUSTOM.length), value as string])),
    sort: SORTS.find((one) => one === query.sort) ?? EMPTY.sort,
  }
}
/** The conditions alone, as a segment keeps them. */
export function conditionsOf(narrow: ContactNarrow): Record<string, string> {
  const plain = PLAIN.filter((name) => narrow[name]).map((name) => [name, narrow[name]])
  return Object.fromEntries([...plain, ...Object.entries(narrow.custom).filter(([, value]) => value).map(([key, value]) => [CUSTOM + key, value])]) as Record<string, string>
}
export function toQuery(narrow: ContactNarrow): Record<string, string> {
  return { ...conditionsOf(narrow), ...(narrow.sort === EMPTY.sort ? {} : { sort: narrow.sort }) }
}
export function sameConditions(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => String(a[key]) === String(b[key]))
}
/** One condition less. */
export function without(narrow: ContactNarrow, key: string): ContactNarrow {
  if (!key.startsWith(CUSTOM)) return { ...narrow, [key]: "" }
  return { ...narrow, custom: Object.fromEntries(Object.entries(narrow.custom).filter(([name]) => name !== key.slice(CUSTOM.length))) }
}
const DIGITS = /^[+\d\s()-]{4,}$/
/** Conditions as the hub takes them. A whole phone is looked for as an address, as that finds it however it is written. */
export function toFilters(narrow: ContactNarrow): Record<string, string | undefined> {
  const { q, ...others } = conditionsOf(narrow)
  const phone = q !== undefined && DIGITS.test(q) && q.replace(/\D/g, "").length >= 10
  return { ...others, ...(phone ? { identity: q, kind: "phone" } : { q }) }
}
export function toAsk(narrow: ContactNarrow): Record<string, string | undefined> {
  return { ...toFilters(narrow), sort: narrow.sort, order: narrow.sort === "name" ? "asc" : "desc" }
}
