import { defineStore } from "pinia"
import { computed, reactive, shallowReactive } from "vue"
import { ApiError, call } from "@/api/client"
import type { Conversation, Frame } from "@/api/types"
import { mergeConversation } from "@/lib/patch"
import { inView, sorted, VIEW_QUERY, type Sort, type View } from "@/lib/views"
import { listen, onReset } from "@/live/socket"
import { useSession } from "./session"

const PAGE = 200
interface Walk { next: string | null; loading: boolean; loaded: boolean; error: ApiError | null }

export const useConversations = defineStore("conversations", () => {
  const rows = shallowReactive(new Map<string, Conversation>())
  const walks = reactive(new Map<View, Walk>())
  const busy = reactive(new Set<string>())
  const session = useSession()
  const viewer = computed(() => ({ id: session.me, queues: session.agent?.queues ?? [] }))

  const walkOf = (view: View): Walk => walks.get(view) ?? { next: null, loading: false, loaded: false, error: null }

  function keep(row: Conversation): void {
    rows.set(row.id, mergeConversation(rows.get(row.id), row))
  }
  /** The next page of a view; the first when nothing of it was read. */
  async function load(view: View): Promise<void> {
    const walk = walkOf(view)
    if (walk.loading || (walk.loaded && !walk.next)) return
    walks.set(view, { ...walk, loading: true, error: null })
    try {
      const page = await call("get", "/api/v1/conversations", { query: { ...VIEW_QUERY[view], sort: "last", order: "desc", limit: PAGE, after: walk.next ?? undefined } })
      page.items.forEach(keep)
      walks.set(view, { next: page.next ?? null, loading: false, loaded: true, error: null })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      walks.set(view, { ...walk, loading: false, error })
    }
  }
  async function fetchOne(id: string): Promise<Conversation | null> {
    try {
      const row = await call("get", "/api/v1/conversations/{conversation_id}", { path: { conversation_id: id } })
      keep(row)
      return row
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) rows.delete(id)
      else if (!(error instanceof ApiError)) throw error
      return null
    }
  }
  /** Shown at once, taken back when the hub refuses. */
  async function change(id: string, shown: Partial<Conversation>, ask: () => Promise<Conversation>): Promise<void> {
    const before = rows.get(id)
    if (before) rows.set(id, { ...before, ...shown })
    busy.add(id)
    try {
      keep(await ask())
    } catch (error) {
      const now = rows.get(id)
      if (before && now && now.version === before.version) rows.set(id, before)
      throw error
    } finally {
      busy.delete(id)
    }
  }
  const take = (id: string): Promise<void> =>
    change(id, { assignee_id: session.me }, () => call("post", "/api/v1/conversations/{conversation_id}/assign", { path: { conversation_id: id }, body: { agent_id: session.me } }))
  const setStatus = (id: string, status: "open" | "resolved"): Promise<void> =>
    change(id, { status }, () => call("patch", "/api/v1/conversations/{conversation_id}", { path: { conversation_id: id }, body: status === "resolved" ? { status, unread: 0 } : { status } }))
  const markRead = (id: string): Promise<void> =>
    change(id, { unread: 0 }, () => call("patch", "/api/v1/conversations/{conversation_id}", { path: { conversation_id: id }, body: { unread: 0 } }))

  listen("interaction.created", ({ data }) => {
    const item = data.interaction as { conversation_id: string; kind: string; text?: string; at: string }
    if (data.conversation) return keep(data.conversation as Conversation)
    const known = rows.get(item.conversation_id)
    if (known && item.kind !== "note") rows.set(known.id, { ...known, last_text: item.text ?? "", last_at: item.at })
  })
  listen("call.updated", ({ data }) => {
    const known = rows.get(data.conversation_id as string)
    if (known && data.assignment_reason) void fetchOne(known.id)
  })
  listen("conversation.", ({ data, type }: Frame) => {
    if (data.conversation) return keep(data.conversation as Conversation)
    const known = rows.get(data.conversation_id as string)
    if (known && (type === "conversation.assigned" || type === "conversation.queued"))
      keep({ ...known, assignee_id: data.assignee_id as string, queue_id: data.queue_id as string, assignment_reason: data.reason as string, version: (data.version as number) ?? known.version })
    else void fetchOne(data.conversation_id as string)
  })
  onReset(async () => {
    const read = [...walks.keys()]
    rows.clear()
    walks.clear()
    await Promise.all(read.map(load))
  })

  const inside = (view: View): Conversation[] => [...rows.values()].filter((row) => inView(view, row, viewer.value))
  const list = (view: View, sort: Sort): Conversation[] => sorted(inside(view), sort)
  const counts = computed(() => (view: View) => inside(view).length)
  const unread = computed(() => inside("mine").filter((row) => row.unread > 0).length)
  const ofContact = (id: string): Conversation[] => sorted([...rows.values()].filter((row) => row.contact_id === id), "last")
  return { rows, busy, walkOf, load, fetchOne, take, setStatus, markRead, list, counts, unread, ofContact }
})
