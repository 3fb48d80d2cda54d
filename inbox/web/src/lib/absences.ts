/** Absences as bars over the coming weeks, and the moments a form's days stand for. */
export interface Absence { id: string; agent_id: string; from_at: string; until_at: string; deputy_id?: string | null; reason?: string; hand_over?: boolean; queue_id?: string | null }
const DAY_MS = 86_400_000

/** The first midnight, where the reader is, of the week that `now` is in: Monday's. */
export function weekStart(now: number): number {
  const at = new Date(now)
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() - ((at.getDay() + 6) % 7)).getTime()
}
/** Where a bar begins and how long it is, in percent of `days` from `start`; null: outside. */
export function barOf(one: Pick<Absence, "from_at" | "until_at">, start: number, days: number): { left: number; width: number } | null {
  const span = days * DAY_MS
  const [from, until] = [Math.max(Date.parse(one.from_at) - start, 0), Math.min(Date.parse(one.until_at) - start, span)]
  if (until <= 0 || from >= span) return null
  return { left: (100 * from) / span, width: Math.max((100 * (until - from)) / span, 1) }
}
/** From the morning of the first day to the midnight after the last; a first day that is today begins now. */
export function spanOf(first: string, last: string, now: number): { from: string; until: string } | null {
  const [a, b] = [new Date(`${first}T00:00:00`), new Date(`${last}T00:00:00`)]
  if (Number.isNaN(a.getTime()) || Number.isNaN(b.getTime()) || b < a) return null
  const until = new Date(b.getFullYear(), b.getMonth(), b.getDate() + 1)
  if (until.getTime() <= now) return null
  return { from: new Date(Math.max(a.getTime(), now)).toISOString(), until: until.toISOString() }
}
export const isOn = (one: Pick<Absence, "from_at" | "until_at">, now: number): boolean => Date.parse(one.from_at) <= now && now < Date.parse(one.until_at)
/** The last whole day of it. */
export const lastDay = (until_at: string): Date => new Date(Date.parse(until_at) - 1)
