import type { Caller, CallDetail, Pop } from "@/api/records"
import type { Frame } from "@/api/types"

/** A call on the agent's screen. `other`: who took it instead; `over_at`: when this device heard that it ended, or went away. */
export interface CallPop {
  call_id: string
  conversation_id: string
  contact_id: string
  contact_name: string
  channel_name: string
  our_number: string
  caller: Caller
  direction: string
  stage: "ringing" | "talking" | "finished" | "missed" | "taken"
  started_at: string
  answered_at: string | null
  over_at: number | null
  talk_s: number
  wrap_up_until: string | null
  other: string
  pop: Pop | null
}
const LIMIT = 4
/** How long a pop that needs nothing more of one stays: taken by a colleague; missed. */
export const STAYS_MS = { taken: 5_000, missed: 20_000 } as const

interface Told { call_id: string; conversation_id: string; contact_id: string; contact_name: string; channel_name: string; our_number?: string; caller: Caller; direction?: string | null; started_at: string; answered_at?: string | null; ringing?: { id: string }[]; agent_id?: string | null; agent_name?: string; outcome?: string | null; talk_s?: number | null; wrap_up_until?: string | null; pop?: Pop | null }

function base(told: Told): CallPop {
  return {
    call_id: told.call_id, conversation_id: told.conversation_id, contact_id: told.contact_id, contact_name: told.contact_name, channel_name: told.channel_name, our_number: told.our_number ?? "",
    caller: told.caller, direction: told.direction ?? "in", stage: "ringing", started_at: told.started_at, answered_at: null, over_at: null, talk_s: 0, wrap_up_until: null, other: "", pop: told.pop ?? null,
  }
}
/** The pops after a frame. `me` sees a call ring at him, go on with him, end, or go to somebody else. Late and doubled frames change nothing. */
export function popsAfter(pops: readonly CallPop[], frame: Pick<Frame, "type" | "data">, me: string | null, now: number): CallPop[] {
  const told = frame.data as unknown as Told
  const known = pops.find((one) => one.call_id === told.call_id)
  const next = me ? changed(known, told, frame.type, me, now) : (known ?? null)
  if (next === known) return [...pops]
  const others = pops.filter((one) => one !== known)
  return next ? (known ? pops.map((one) => (one === known ? next : one)) : [next, ...others].slice(0, LIMIT)) : others
}
function changed(known: CallPop | undefined, told: Told, type: string, me: string, now: number): CallPop | null | undefined {
  const over = known?.stage === "finished" || known?.stage === "missed" || known?.stage === "taken"
  if (type === "call.ringing") {
    if (known && known.stage !== "ringing") return known
    if (told.ringing?.some((one) => one.id === me)) return { ...base(told), pop: told.pop ?? known?.pop ?? null }
    // No phone rings for a moment: what comes next says whether it was missed or goes to somebody else.
    if (!told.ringing?.length) return known
    // It rings elsewhere now: nothing of it was this agent's.
    return known ? null : undefined
  }
  if (type === "call.answered") {
    if (over) return known
    if (told.agent_id === me) return { ...(known ?? base(told)), stage: "talking", answered_at: told.answered_at ?? known?.answered_at ?? new Date(now).toISOString() }
    return known && { ...known, stage: "taken", other: told.agent_name ?? "", over_at: now }
  }
  if (type !== "call.finished" || !known || over) return known
  // Of a missed call the hub names whose phone rang last; that is nobody who talked.
  if (known.stage === "talking" || (told.outcome === "answered" && told.agent_id === me)) return { ...known, stage: "finished", talk_s: told.talk_s ?? 0, wrap_up_until: told.wrap_up_until ?? null, over_at: now }
  return { ...known, stage: told.outcome === "answered" ? "taken" : "missed", other: told.agent_name ?? "", over_at: now }
}
/** A call that goes on already as the page opens. */
export function popOf(detail: CallDetail, me: string): CallPop | null {
  const { call, caller, pop } = detail
  const rings = call.ringing?.includes(me)
  const talks = call.agent_id === me && (call.state === "talking" || call.state === "held")
  if (!rings && !talks) return null
  const told: Told = { ...call, call_id: call.id, contact_name: call.contact_name ?? "", caller, pop, ringing: [] }
  return { ...base(told), stage: talks ? "talking" : "ringing", answered_at: talks ? (call.answered_at ?? call.started_at) : null }
}
/** Those that need nothing more of anybody are put away. */
export const stillThere = (pops: readonly CallPop[], now: number, held: (id: string) => boolean): CallPop[] =>
  pops.filter((one) => !((one.stage === "taken" || one.stage === "missed") && one.over_at !== null && now - one.over_at > STAYS_MS[one.stage] && !held(one.call_id)))
