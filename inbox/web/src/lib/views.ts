import type { Conversation } from "@/api/types"

export const VIEWS = ["mine", "unassigned", "queues", "snoozed", "all", "resolved"] as const
export type View = (typeof VIEWS)[number]
export interface Viewer { id: string | null; queues: readonly string[] }
export type Sort = "last" | "sla"

const active = (row: Conversation): boolean => row.status === "open" || row.status === "pending"

const TESTS: Record<View, (row: Conversation, viewer: Viewer) => boolean> = {
  mine: (row, viewer) => active(row) && !!row.assignee_id && row.assignee_id === viewer.id,
  unassigned: (row) => active(row) && !row.assignee_id,
  queues: (row, viewer) => active(row) && !!row.queue_id && viewer.queues.includes(row.queue_id),
  snoozed: (row) => row.status === "snoozed",
  all: (row) => row.status !== "resolved",
  resolved: (row) => row.status === "resolved",
}

export function inView(view: View, row: Conversation, viewer: Viewer): boolean {
  return TESTS[view](row, viewer)
}

/** What to ask the hub for; where it can't filter as finely, the page does. */
export const VIEW_QUERY: Record<View, { assignee?: string; status: string }> = {
  mine: { assignee: "me", status: "open,pending" },
  unassigned: { assignee: "none", status: "open,pending" },
  queues: { status: "open,pending" },
  snoozed: { status: "snoozed" },
  all: { status: "open,pending,snoozed" },
  resolved: { status: "resolved" },
}

const last = (row: Conversation): string => row.last_at ?? ""
const due = (row: Conversation): string => (row.first_response_at ? "~" : (row.frt_due_at ?? "~"))

/** Newest first, or the one whose answer is due first; ties by id, so that rows don't jump. */
export function sorted(rows: Conversation[], sort: Sort): Conversation[] {
  const newest = (a: Conversation, b: Conversation): number => (last(a) < last(b) ? 1 : last(a) > last(b) ? -1 : a.id < b.id ? 1 : -1)
  if (sort === "last") return rows.sort(newest)
  return rows.sort((a, b) => (due(a) < due(b) ? -1 : due(a) > due(b) ? 1 : newest(a, b)))
}
