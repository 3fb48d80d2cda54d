import type { PresenceState } from "@/api/types"

/** The dot of each state. Its word always stands beside it. */
export const DOTS: Record<PresenceState, string> = { online: "bg-green-600", away: "bg-amber-500", wrap_up: "bg-sky-600", offline: "bg-slate-400" }
export const STATES = ["online", "away", "wrap_up", "offline"] as const
export const dotOf = (state: string | null | undefined): string => DOTS[(state ?? "offline") as PresenceState] ?? DOTS.offline
