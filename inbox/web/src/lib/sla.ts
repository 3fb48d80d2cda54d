export type SlaLevel = "ok" | "soon" | "late"
export interface Sla { level: SlaLevel; left_s: number; share: number }

const SOON_S = 300

/** Time to the first answer; null where none is due. `share`: of the whole time, what is left (0 to 1), for the ring. */
export function slaOf(row: { frt_due_at?: string | null; first_response_at?: string | null; status: string; queued_at?: string | null; created_at?: string }, now: number): Sla | null {
  if (!row.frt_due_at || row.first_response_at || row.status === "resolved") return null
  const due = Date.parse(row.frt_due_at)
  const left_s = Math.round((due - now) / 1000)
  const begun = Date.parse(row.created_at ?? "")
  const whole_s = Number.isFinite(begun) && begun < due ? (due - begun) / 1000 : 900
  const share = Math.min(1, Math.max(0, left_s / whole_s))
  return { level: left_s < 0 ? "late" : left_s < Math.min(SOON_S, whole_s / 3) ? "soon" : "ok", left_s, share }
}

/** 4:05, 2 h, 3 d: short enough for a list. */
export function shortTime(seconds: number, units: { h: string; d: string }): string {
  const s = Math.abs(Math.round(seconds))
  if (s < 3600) return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`
  return s < 172_800 ? `${Math.round(s / 3600)} ${units.h}` : `${Math.round(s / 86_400)} ${units.d}`
}
