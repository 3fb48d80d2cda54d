import type { CallRow } from "@/api/records"

export const CALL_VIEWS = ["all", "back", "in", "out", "missed"] as const
export type CallView = (typeof CALL_VIEWS)[number]
export interface CallNarrow { view: CallView; agent: string; from: string; to: string }
export const EVERY: CallNarrow = { view: "all", agent: "any", from: "", to: "" }

type Query = Record<string, unknown>
const DAY = /^\d{4}-\d\d-\d\d$/
const word = (value: unknown, otherwise: string): string => (typeof value === "string" && value ? value : otherwise)
const day = (value: unknown): string => (typeof value === "string" && DAY.test(value) ? value : "")

export const fromQuery = (query: Query): CallNarrow => ({ view: CALL_VIEWS.find((one) => one === query.view) ?? "all", agent: word(query.agent, "any"), from: day(query.from), to: day(query.to) })
export const toQuery = (narrow: CallNarrow): Record<string, string> => Object.fromEntries(Object.entries(narrow).filter(([name, value]) => value !== EVERY[name as keyof CallNarrow]))

/** A day where the reader is, as the moment it begins; `after`: the one it ends. */
function moment(text: string, after: boolean): string | undefined {
  const [year, month, date] = text.split("-").map(Number)
  return text ? new Date(year!, month! - 1, date! + (after ? 1 : 0)).toISOString() : undefined
}
export function toAsk(narrow: CallNarrow) {
  return {
    direction: narrow.view === "in" || narrow.view === "out" ? narrow.view : undefined,
    outcome: narrow.view === "missed" ? "missed" : undefined,
    missed_not_called_back: narrow.view === "back" ? true : undefined,
    agent: narrow.agent === "any" ? undefined : narrow.agent,
    from: moment(narrow.from, false),
    to: moment(narrow.to, true),
  }
}
/** What became of a call, as one word of ours. */
export function endOf(call: Pick<CallRow, "outcome" | "state" | "direction">): string {
  if (call.outcome === "missed" && call.direction === "out") return "unanswered"
  return call.outcome ?? (["talking", "held"].includes(call.state) ? "talking" : call.state === "finished" ? "finished" : "ringing")
}
