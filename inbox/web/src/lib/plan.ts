import { dayStart } from "./due"

export type PlanName = "hour" | "evening" | "tomorrow" | "monday"
/** Usual times to put a message off to, where the writer is: in an hour, this evening while it is far, tomorrow and on Monday at nine. */
export function planTimes(now: number): { name: PlanName; at: string }[] {
  const iso = (at: number): string => new Date(at).toISOString()
  const at = (days: number, hour: number): number => dayStart(now, days) + hour * 3_600_000
  const toMonday = ((8 - new Date(now).getDay()) % 7) || 7
  return [
    { name: "hour" as const, at: iso(Math.ceil((now + 3_600_000) / 300_000) * 300_000) },
    ...(at(0, 18) - now > 2 * 3_600_000 ? [{ name: "evening" as const, at: iso(at(0, 18)) }] : []),
    { name: "tomorrow" as const, at: iso(at(1, 9)) },
    ...(toMonday > 1 ? [{ name: "monday" as const, at: iso(at(toMonday, 9)) }] : []),
  ]
}
/** A time in the past for the hub: at once. By its clock, not by ours. */
export const AT_ONCE = "2000-01-01T00:00:00Z"
