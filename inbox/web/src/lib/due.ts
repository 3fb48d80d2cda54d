import type { Task } from "@/api/records"

/** By when tasks are due, in the order they stand. */
export const DUES = ["overdue", "today", "tomorrow", "later", "undated"] as const
export type Due = (typeof DUES)[number]

/** The beginning of the day `days` after that of `now`, where the reader is. */
export function dayStart(now: number, days = 0): number {
  const at = new Date(now)
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() + days).getTime()
}
export function dueOf(due_at: string | null | undefined, now: number): Due {
  if (!due_at) return "undated"
  const at = Date.parse(due_at)
  if (at < now) return "overdue"
  return at < dayStart(now, 1) ? "today" : at < dayStart(now, 2) ? "tomorrow" : "later"
}
/** Rows of the list: a heading before the first task of each group. */
export type DueRow = { id: string; head: Due; count: number } | { id: string; head: null; task: Task }

export function byDue(tasks: readonly Task[], now: number): DueRow[] {
  const far = (task: Task): string => task.due_at ?? "~"
  const sorted = [...tasks].sort((a, b) => (far(a) < far(b) ? -1 : far(a) > far(b) ? 1 : a.id < b.id ? -1 : 1))
  return DUES.flatMap((due): DueRow[] => {
    const of = sorted.filter((task) => dueOf(task.due_at, now) === due)
    return of.length ? [{ id: due, head: due, count: of.length }, ...of.map((task): DueRow => ({ id: task.id, head: null, task }))] : []
  })
}
/** Of two states of one task, the later; news may come late or doubled. */
export const laterTask = (known: Task | undefined, given: Task): Task => (known && known.version > given.version ? known : given)

const two = (n: number): string => String(n).padStart(2, "0")
/** A moment as the browser's field of date and time has it, where the reader is; and back, empty for none. */
export function toLocal(at: string | null | undefined): string {
  if (!at) return ""
  const day = new Date(at)
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}T${two(day.getHours())}:${two(day.getMinutes())}`
}
export function fromLocal(text: string): string | null {
  const at = new Date(text)
  return text && !Number.isNaN(at.getTime()) ? at.toISOString() : null
}
/** Minutes before the task is due at which one is reminded; nearest of what can be chosen. */
export const REMINDERS = [0, 15, 60, 1440] as const
export function remindIn(due_at: string | null | undefined, remind_at: string | null | undefined): string {
  if (!due_at || !remind_at) return ""
  const minutes = (Date.parse(due_at) - Date.parse(remind_at)) / 60_000
  return String(REMINDERS.reduce((best: number, one) => (Math.abs(one - minutes) < Math.abs(best - minutes) ? one : best), REMINDERS[0]))
}
export function remindAt(due_at: string | null, minutes: string): string | null {
  return due_at && minutes !== "" ? new Date(Date.parse(due_at) - Number(minutes) * 60_000).toISOString() : null
}
/** Usual times to put a task to: in an hour, this evening while it is far, tomorrow and in a week at ten. */
export function usualTimes(now: number): { name: "hour" | "evening" | "tomorrow" | "week"; at: string }[] {
  const iso = (at: number): string => new Date(at).toISOString()
  const at = (days: number, hour: number): number => dayStart(now, days) + hour * 3_600_000
  return [
    { name: "hour" as const, at: iso(Math.ceil((now + 3_600_000) / 300_000) * 300_000) },
    ...(at(0, 18) - now > 2 * 3_600_000 ? [{ name: "evening" as const, at: iso(at(0, 18)) }] : []),
    { name: "tomorrow" as const, at: iso(at(1, 10)) },
    { name: "week" as const, at: iso(at(7, 10)) },
  ]
}
