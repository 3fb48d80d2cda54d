/** What the list of contacts is narrowed to, and how it stands in the page's address. */
export interface ContactNarrow { q: string; owner: string; tag: string; source: string; silent: string; type: "any" | "person" | "company"; sort: "name" | "last" | "created" }
export const EMPTY: ContactNarrow = { q: "", owner: "any", tag: "", source: "", silent: "any", type: "any", sort: "last" }
const SORTS = ["name", "last", "created"] as const
const TYPES = ["person", "company"] as const

type Query = Record<string, unknown>
const word = (query: Query, name: string, otherwise: string): string => (typeof query[name] === "string" && query[name] ? (query[name] as string) : otherwise)

export function fromQuery(query: Query): ContactNarrow {
  const days = word(query, "silent", "any")
  return {
    q: word(query, "q", ""), owner: word(query, "owner", "any"), tag: word(query, "tag", ""), source: word(query, "source", ""),
    silent: /^\d{1,5}$/.test(days) ? days : "any",
    type: TYPES.find((one) => one === query.type) ?? "any",
    sort: SORTS.find((one) => one === query.sort) ?? EMPTY.sort,
  }
}
export function toQuery(narrow: ContactNarrow): Record<string, string> {
  return Object.fromEntries(Object.entries(narrow).filter(([name, value]) => value !== EMPTY[name as keyof ContactNarrow]))
}
const DIGITS = /^[+\d\s()-]{4,}$/
/** What to ask the hub for. A whole phone is looked for as an address, as that finds it however it is written. */
export function toAsk(narrow: ContactNarrow) {
  const phone = DIGITS.test(narrow.q) && narrow.q.replace(/\D/g, "").length >= 10
  return {
    ...(phone ? { identity: narrow.q, kind: "phone" } : { q: narrow.q || undefined }),
    owner: narrow.owner === "any" ? undefined : narrow.owner,
    tag: narrow.tag || undefined,
    source: narrow.source || undefined,
    type: narrow.type === "any" ? undefined : narrow.type,
    no_contact_since: narrow.silent === "any" ? undefined : Number(narrow.silent),
    sort: narrow.sort,
    order: narrow.sort === "name" ? ("asc" as const) : ("desc" as const),
  }
}
