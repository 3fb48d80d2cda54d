/** Working hours as one types them: "09:00-13:00, 14:00-18:00"; nothing typed: closed. */
import type { Hours } from "@/api/admin"

export type Span = [string, string]
const TIME = /^([01]?\d|2[0-4]):?([0-5]\d)?$/

function timeOf(text: string): string | null {
  const found = TIME.exec(text.trim())
  if (!found) return null
  const time = `${found[1]!.padStart(2, "0")}:${found[2] ?? "00"}`
  return time > "24:00" ? null : time
}

/** Null: it can't be read. */
export function spansOf(text: string): Span[] | null {
  const parts = text.split(/[,;]/).map((part) => part.trim()).filter(Boolean)
  const spans = parts.map((part): Span | null => {
    const [from, until, ...rest] = part.split(/\s*[-–—]\s*/)
    const [a, b] = [timeOf(from ?? ""), timeOf(until ?? "")]
    return a && b && a !== b && !rest.length ? [a, b] : null
  })
  return spans.some((span) => span === null) ? null : (spans as Span[])
}
export const textOf = (spans: readonly (readonly [string, string])[] | undefined): string => (spans ?? []).map(([from, until]) => `${from}-${until}`).join(", ")

/** Days with their text as the hub wants them; null: one of them can't be read. A day without hours is left out unless `closed` days are told. */
export function hoursOf(days: Record<string, string>, closed: boolean): Hours | null {
  const found: Hours = {}
  for (const [day, text] of Object.entries(days)) {
    const spans = spansOf(text)
    if (!spans) return null
    if (spans.length || closed) found[day] = spans
  }
  return found
}

const DATE = /^(?:(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})\.(\d{1,2})\.(\d{4}))$/
const DAY_MS = 86_400_000
const MOST_DAYS = 62
/** The day as a moment of UTC; null: no such day. */
function dayOf(text: string): number | null {
  const found = DATE.exec(text.trim())
  if (!found) return null
  const [year, month, day] = found[1] ? [found[1], found[2], found[3]] : [found[6], found[5], found[4]]
  const at = Date.UTC(Number(year), Number(month) - 1, Number(day))
  return new Date(at).getUTCDate() === Number(day) && new Date(at).getUTCMonth() === Number(month) - 1 ? at : null
}
/** Days pasted a line each: "23.02.2027", "01.01.2027-08.01.2027", "2027-04-30 09:00-17:00". Hours as text, none: closed. `bad`: lines that can't be read. */
export function daysIn(text: string): { days: Record<string, string>; bad: string[] } {
  const found = { days: {} as Record<string, string>, bad: [] as string[] }
  for (const line of text.split(/\r?\n/).map((one) => one.trim()).filter(Boolean)) {
    const [, first, , last, rest] = /^([\d.]{8,10}|\d{4}-\d{1,2}-\d{1,2})(\s*[-–—]\s*([\d.]{8,10}|\d{4}-\d{1,2}-\d{1,2}))?(?:[\s;,\t]+(.*))?$/.exec(line) ?? []
    const [from, until] = [dayOf(first ?? ""), dayOf(last ?? first ?? "")]
    // What follows the date is hours, or the holiday's name, which nobody has to type away.
    const hours = /^\d/.test(rest ?? "") ? rest! : ""
    if (from === null || until === null || until < from || until - from > MOST_DAYS * DAY_MS || spansOf(hours) === null) found.bad.push(line)
    else for (let at = from; at <= until; at += DAY_MS) found.days[new Date(at).toISOString().slice(0, 10)] = hours
  }
  return found
}
