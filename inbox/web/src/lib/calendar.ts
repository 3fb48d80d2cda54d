/** Days of a week or a month with their tasks, and the moment a task goes to when it is dropped on a day. All where the reader is. */
import type { Task } from "@/api/records"

export type Span = "week" | "month"
const dayAt = (at: number, days: number): Date => {
  const day = new Date(at)
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days)
}
const two = (n: number): string => String(n).padStart(2, "0")
export const keyOf = (day: Date): string => `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`

/** Whole weeks from Monday: one, or those that a month touches. */
export function daysOf(span: Span, at: number): Date[] {
  const day = dayAt(at, 0)
  const first = span === "week" ? day : new Date(day.getFullYear(), day.getMonth(), 1)
  const monday = dayAt(first.getTime(), -((first.getDay() + 6) % 7))
  if (span === "week") return Array.from({ length: 7 }, (_, n) => dayAt(monday.getTime(), n))
  const last = new Date(day.getFullYear(), day.getMonth() + 1, 0)
  const weeks = Math.ceil((Math.round((last.getTime() - monday.getTime()) / 86_400_000) + 1) / 7)
  return Array.from({ length: weeks * 7 }, (_, n) => dayAt(monday.getTime(), n))
}
/** The week or the month after, or before. A month begins at its first day, so that no short one is stepped over. */
export function stepped(span: Span, at: number, by: number): number {
  const day = new Date(at)
  return span === "week" ? dayAt(at, 7 * by).getTime() : new Date(day.getFullYear(), day.getMonth() + by, 1).getTime()
}
/** Tasks by day, the earliest first. One that lasts stands on the day it begins. */
export function byDay(tasks: readonly Task[]): Map<string, Task[]> {
  const found = new Map<string, Task[]>()
  const sorted = tasks.filter((one) => one.due_at).sort((a, b) => Date.parse(a.due_at!) - Date.parse(b.due_at!) || (a.id < b.id ? -1 : 1))
  for (const task of sorted) {
    const key = keyOf(new Date(task.due_at!))
    found.set(key, [...(found.get(key) ?? []), task])
  }
  return found
}
/** The same hour on another day; its end and its reminder move along. */
export function movedTo(task: Pick<Task, "due_at" | "ends_at" | "remind_at">, day: Date): { due_at: string; ends_at?: string; remind_at?: string } | null {
  if (!task.due_at) return null
  const old = new Date(task.due_at)
  const due = new Date(day.getFullYear(), day.getMonth(), day.getDate(), old.getHours(), old.getMinutes(), old.getSeconds())
  const by = due.getTime() - old.getTime()
  if (!by) return null
  const along = (at: string | null | undefined): string | undefined => (at ? new Date(Date.parse(at) + by).toISOString() : undefined)
  const [ends_at, remind_at] = [along(task.ends_at), along(task.remind_at)]
  return { due_at: due.toISOString(), ...(ends_at ? { ends_at } : {}), ...(remind_at ? { remind_at } : {}) }
}
