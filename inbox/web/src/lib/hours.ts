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
