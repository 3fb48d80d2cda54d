import { dayStart } from "./due"

export const SNOOZES = ["hour", "three", "tomorrow", "monday"] as const
export type Snooze = (typeof SNOOZES)[number]
const HOUR_MS = 3_600_000
const MORNING = 9

/** Usual times to come back: in an hour, in three, tomorrow and on Monday at nine; Monday not where that is tomorrow. */
export function snoozeTimes(now: number): { name: Snooze; at: number }[] {
  const weekday = new Date(now).getDay()
  const toMonday = (8 - weekday) % 7 || 7
  const morning = (days: number): number => {
    const at = new Date(dayStart(now, days))
    return at.setHours(MORNING)
  }
  const times: { name: Snooze; at: number }[] = [
    { name: "hour", at: now + HOUR_MS },
    { name: "three", at: now + 3 * HOUR_MS },
    { name: "tomorrow", at: morning(1) },
  ]
  return toMonday > 1 ? [...times, { name: "monday", at: morning(toMonday) }] : times
}
