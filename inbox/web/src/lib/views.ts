import type { Conversation } from "@/api/types"

export const VIEWS = ["mine", "unassigned", "my_queues", "mentions", "snoozed", "all", "closed"] as const
export type View = (typeof VIEWS)[number]
export interface Viewer { id: string | null; queues: readonly string[] }
export type Sort = "last" | "sla"
/** Parameters of `GET /conversations`, as a saved view keeps them. */
export interface Filters { assignee?: string; queue?: string; status?: string; channel?: string; tag?: string; unread?: string; q?: string; mentioned?: string; contact?: string }
export const FILTER_NAMES = ["assignee", "queue", "status", "channel", "tag", "unread", "q", "mentioned", "contact"] as const satisfies readonly (keyof Filters)[]

const HERE = "open,pending"
/** The hub counts by the same. */
export const FILTERS_OF: Record<View, Filters> = {
  mine: { assignee: "me", status: HERE },
  unassigned: { assignee: "none", status: HERE },
  my_queues: { queue: "mine", status: HERE },
  mentions: { mentioned: "me" },
  snoozed: { status: "snoozed" },
  all: { status: HERE },
  closed: { status: "resolved" },
}

/** Only what says something, in one order: equal filters are equal texts. */
export function tidy(filters: Record<string, unknown>): Filters {
  return Object.fromEntries(FILTER_NAMES.map((name) => [name, String(filters[name] ?? "")] as const).filter(([, value]) => value !== ""))
}
export const keyOf = (filters: Filters, sort: Sort): string => `${sort} ${JSON.stringify(tidy({ ...filters }))}`

type Test = (row: Conversation, value: string, viewer: Viewer) => boolean | null
const holds = (text: string | undefined, part: string): boolean => (text ?? "").toLowerCase().includes(part)
const TESTS: Record<keyof Filters, Test> = {
  assignee: (row, value, viewer) => (value === "none" ? !row.assignee_id : !!row.assignee_id && row.assignee_id === (value === "me" ? viewer.id : value)),
  queue: (row, value, viewer) => !!row.queue_id && (value === "mine" ? viewer.queues.includes(row.queue_id) : row.queue_id === value),
  status: (row, value) => value.split(",").includes(row.status),
  channel: (row, value) => row.channel_id === value,
  tag: (row, value) => (row.tags ?? []).includes(value),
  unread: (row, value) => row.unread > 0 === (value === "true"),
  q: (row, value) => holds(row.last_text, value.toLowerCase()) || holds(row.subject, value.toLowerCase()) || holds(row.contact_name, value.toLowerCase()),
  mentioned: () => null,
  contact: (row, value) => row.contact_id === value || null,
}

/** Whether a conversation belongs there; null: only the hub can tell. */
export function matches(filters: Filters, row: Conversation, viewer: Viewer): boolean | null {
  let sure: boolean | null = true
  for (const name of FILTER_NAMES) {
    const value = filters[name]
    if (!value) continue
    const found = TESTS[name](row, value, viewer)
    if (found === false) return false
    if (found === null) sure = null
  }
  return sure
}

const last = (row: Conversation): string => row.last_at ?? ""
const due = (row: Conversation): string => (row.first_response_at ? "~" : (row.frt_due_at ?? "~"))
const newest = (a: Conversation, b: Conversation): number => (last(a) < last(b) ? 1 : last(a) > last(b) ? -1 : a.id < b.id ? 1 : a.id > b.id ? -1 : 0)
const soonest = (a: Conversation, b: Conversation): number => (due(a) < due(b) ? -1 : due(a) > due(b) ? 1 : newest(a, b))
/** Newest first, or the one whose answer is due first; ties by id, so that rows don't jump. */
export const orderOf = (sort: Sort): ((a: Conversation, b: Conversation) => number) => (sort === "last" ? newest : soonest)
