/** Search over everything, and how it stands in the page's address. */
export interface Seek { q: string; in: Place; channel: string; contact: string; from: string; to: string }
export const PLACES = ["all", "messages", "contacts", "calls", "tasks"] as const
export type Place = (typeof PLACES)[number]
export const EMPTY: Seek = { q: "", in: "all", channel: "any", contact: "", from: "", to: "" }

type Query = Record<string, unknown>
const DAY = /^\d{4}-\d\d-\d\d$/
const word = (value: unknown, otherwise: string): string => (typeof value === "string" && value ? value.slice(0, 200) : otherwise)
const day = (value: unknown): string => (typeof value === "string" && DAY.test(value) ? value : "")

export const fromQuery = (query: Query): Seek => ({
  q: word(query.q, ""), in: PLACES.find((one) => one === query.in) ?? "all", channel: word(query.channel, "any"), contact: word(query.contact, ""), from: day(query.from), to: day(query.to),
})
/** `q` always: by it one sees that something is looked for. */
export const toQuery = (seek: Seek): Record<string, string> => ({ q: seek.q, ...Object.fromEntries(Object.entries(seek).filter(([name, value]) => name !== "q" && value !== EMPTY[name as keyof Seek])) })

/** A day where the reader is, as the moment it begins; `after`: the one it ends. */
function moment(text: string, after: boolean): string | undefined {
  const [year, month, date] = text.split("-").map(Number)
  return text ? new Date(year!, month! - 1, date! + (after ? 1 : 0)).toISOString() : undefined
}
export const toAsk = (seek: Seek) => ({ q: seek.q, channel: seek.channel === "any" ? undefined : seek.channel, contact: seek.contact || undefined, since: moment(seek.from, false), until: moment(seek.to, true) })
/** Words that are an address rather than a name: a phone however it is written, a mail address. */
export const isAddress = (words: string): boolean => /^[+\d\s()-]{4,}$|@/.test(words)
