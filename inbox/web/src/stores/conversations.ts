import { defineStore } from "pinia"
import { computed, reactive, shallowReactive, shallowRef, type ShallowRef } from "vue"
import { ApiError, call } from "@/api/client"
import type { Conversation, Frame } from "@/api/types"
import { mergeConversation, whole } from "@/lib/patch"
import { SortedRows } from "@/lib/sorted"
import { FILTERS_OF, keyOf, matches, orderOf, tidy, type Filters, type Sort } from "@/lib/views"
import { listen, onReset } from "@/live/socket"
import { useSession } from "./session"

const PAGE = 200
const LISTS = 8
const FEW = 8
const GATHER_MS = 800
/** What one looks at: of all the conversations known here those that belong there, in order, read page by page. */
export interface LiveList {
  filters: Filters
  sort: Sort
  rows: ShallowRef<readonly Conversation[]>
  walk: { next: string | null; loading: boolean; loaded: boolean; error: ApiError | null }
  /** Told by the hub to belong there: of some filters only it knows. */
  told: Set<string>
  sorted: SortedRows<Conversation>
}

export const useConversations = defineStore("conversations", () => {
  const rows = shallowReactive(new Map<string, Conversation>())
  const busy = reactive(new Set<string>())
  const lists = new Map<string, LiveList>()
  const changed = new Set<LiveList>()
  const session = useSession()
  const viewer = computed(() => ({ id: session.me, queues: session.agent?.queues ?? [] }))

  const belongs = (list: LiveList, row: Conversation): boolean => matches(list.filters, row, viewer.value) ?? list.told.has(row.id)
  function touch(list: LiveList): void {
    if (!changed.size) queueMicrotask(() => {
      for (const one of changed) one.rows.value = one.sorted.all()
      changed.clear()
    })
    changed.add(list)
  }
  function place(row: Conversation): void {
    for (const list of lists.values()) if (belongs(list, row) ? list.sorted.put(row) : list.sorted.drop(row.id)) touch(list)
  }
  function set(row: Conversation): void {
    rows.set(row.id, row)
    place(row)
  }
  function keep(row: Conversation): void {
    const known = rows.get(row.id)
    if (!known && !row.contact) complete(row.id)
    set(mergeConversation(known, whole(known, row)))
  }
  const partial = new Set<string>()
  /** New ones come with little: the rest is asked for once the burst is over, one by one or as a page. */
  function complete(id: string): void {
    if (!partial.size) setTimeout(() => {
      const ids = [...partial]
      partial.clear()
      const list = [...lists.values()].at(-1)
      if (ids.length <= FEW) ids.forEach((one) => void fetchOne(one))
      else if (list) void again(list)
    }, GATHER_MS)
    partial.add(id)
  }
  function forget(id: string): void {
    rows.delete(id)
    for (const list of lists.values()) if (list.sorted.drop(id)) touch(list)
  }
  function listOf(filters: Filters, sort: Sort): LiveList {
    const key = keyOf(filters, sort)
    const found = lists.get(key)
    if (found) return found
    const list: LiveList = {
      filters: tidy({ ...filters }), sort, rows: shallowRef([]), told: new Set(), sorted: new SortedRows(orderOf(sort)),
      walk: reactive({ next: null, loading: false, loaded: false, error: null }),
    }
    // Those not looked at for longest are read anew when they are asked for; the first is the menu's own.
    if (lists.size >= LISTS) lists.delete([...lists.keys()][1]!)
    lists.set(key, list)
    list.sorted.fill([...rows.values()].filter((row) => belongs(list, row)))
    list.rows.value = list.sorted.all()
    return list
  }
  const mine = listOf(FILTERS_OF.mine, "last")

  /** The next page of a list; the first when nothing of it was read. */
  async function load(list: LiveList): Promise<void> {
    const walk = list.walk
    if (walk.loading || (walk.loaded && !walk.next)) return
    Object.assign(walk, { loading: true, error: null })
    try {
      const order = list.sort === "sla" ? "asc" : "desc"
      const query = { ...list.filters, sort: list.sort, order, limit: PAGE, after: walk.next ?? undefined } as Record<string, unknown>
      const page = await call("get", "/api/v1/conversations", { query })
      for (const row of page.items) {
        list.told.add(row.id)
        keep(row)
      }
      Object.assign(walk, { next: page.next ?? null, loaded: true })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      walk.error = error
    } finally {
      walk.loading = false
    }
  }
  /** From its beginning, without showing nothing meanwhile. */
  async function again(list: LiveList): Promise<void> {
    list.told.clear()
    Object.assign(list.walk, { next: null, loaded: false })
    await load(list)
    list.sorted.fill([...rows.values()].filter((row) => belongs(list, row)))
    touch(list)
  }
  async function fetchOne(id: string): Promise<Conversation | null> {
    try {
      const row = await call("get", "/api/v1/conversations/{conversation_id}", { path: { conversation_id: id } })
      keep(row)
      return row
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) forget(id)
      else if (!(error instanceof ApiError)) throw error
      return null
    }
  }
  /** Shown at once, taken back when the hub refuses. */
  async function change(id: string, shown: Partial<Conversation>, ask: () => Promise<Conversation>): Promise<void> {
    const before = rows.get(id)
    if (before) set({ ...before, ...shown })
    busy.add(id)
    try {
      keep(await ask())
    } catch (error) {
      const now = rows.get(id)
      if (before && now && now.version === before.version) set(before)
      throw error
    } finally {
      busy.delete(id)
    }
  }

  listen("interaction.created", ({ data }) => {
    const item = data.interaction as { conversation_id: string; kind: string; text?: string; at: string }
    if (data.conversation) return keep(data.conversation as Conversation)
    const known = rows.get(item.conversation_id)
    if (known && item.kind !== "note") set({ ...known, last_text: item.text ?? "", last_at: item.at })
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
  listen("mention.created", () => {
    for (const list of lists.values()) if (list.filters.mentioned) void again(list)
  })
  onReset(async () => {
    const read = [...lists.values()].filter((list) => list.walk.loaded)
    rows.clear()
    await Promise.all(read.slice(-3).map(again))
    for (const list of lists.values()) if (!read.slice(-3).includes(list)) lists.delete(keyOf(list.filters, list.sort))
    lists.set(keyOf(mine.filters, mine.sort), mine)
  })

  const unread = computed(() => mine.rows.value.filter((row) => row.unread > 0).length)
  const ofContact = (id: string): Conversation[] => [...rows.values()].filter((row) => row.contact_id === id).sort(orderOf("last"))
  const loadMine = (): Promise<void> => load(mine)
  return { rows, busy, listOf, load, loadMine, again, fetchOne, change, keep, unread, ofContact }
})
