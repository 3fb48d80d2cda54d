/** The views of the inbox, built in and saved, with how many are in each as the hub counts them. */
import { defineStore } from "pinia"
import { computed, ref, shallowRef } from "vue"
import { ApiError, call } from "@/api/client"
import type { components } from "@/api/schema"
import { FILTERS_OF, keyOf, tidy, VIEWS, type Filters, type Sort, type View } from "@/lib/views"
import { listen, onReset } from "@/live/socket"
import { useSession } from "./session"

export type HubView = components["schemas"]["View"]
/** `id`: of a saved one, else the name of one built in. */
export interface Shown { id: string; name: string; filters: Filters; count: number | null; more: boolean; saved: boolean; shared: boolean }
const SOON_MS = 600
const OFTEN_MS = 3000
const KEPT = "inbox.view"

export const useViews = defineStore("views", () => {
  const session = useSession()
  const hub = shallowRef<HubView[]>([])
  const narrowed = ref<Filters | null>(null)
  const chosen = ref(sessionStorage.getItem(KEPT) ?? "")
  const sort = ref<Sort>("last")

  const items = computed<Shown[]>(() => {
    const counts = new Map(hub.value.map((one) => [one.key || one.id || "", one]))
    const built = VIEWS.map((key) => ({ id: key as string, name: "", filters: FILTERS_OF[key], count: counts.get(key)?.count ?? null, more: !!counts.get(key)?.more, saved: false, shared: false }))
    const saved = hub.value.filter((one) => one.id).map((one) => ({ id: one.id!, name: one.name ?? "", filters: tidy(one.filters), count: one.count ?? null, more: !!one.more, saved: true, shared: !!one.shared }))
    return [...built, ...saved]
  })
  const first = (): View => (session.agent?.role === "agent" ? "mine" : "all")
  const current = computed<Shown>(() => items.value.find((one) => one.id === chosen.value) ?? items.value.find((one) => one.id === first())!)
  /** What the list is narrowed to: the view, or what was changed of it since. */
  const filters = computed<Filters>(() => narrowed.value ?? current.value.filters)
  const isNarrowed = computed(() => keyOf(filters.value, "last") !== keyOf(current.value.filters, "last"))

  function choose(id: string): void {
    chosen.value = id
    narrowed.value = null
    sessionStorage.setItem(KEPT, id)
  }
  const narrow = (to: Filters | null): void => void (narrowed.value = to && tidy({ ...to }))

  let timer: ReturnType<typeof setTimeout> | undefined
  let read = 0
  async function load(): Promise<void> {
    read = Date.now()
    const found = await call("get", "/api/v1/views/conversations")
    hub.value = found.items
  }
  /** Counted anew soon, and under steady traffic not more often than every few seconds. */
  function stale(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      void load().catch((error: unknown) => {
        if (!(error instanceof ApiError)) throw error
      })
    }, Math.max(SOON_MS, read + OFTEN_MS - Date.now()) * (0.75 + Math.random() / 2))
  }
  for (const name of ["conversation.", "mention.", "view.changed"]) listen(name, stale)
  listen("interaction.created", ({ data }) => data.conversation && stale())
  onReset(load)

  async function save(name: string, shared: boolean): Promise<void> {
    const body = { object: "conversation" as const, name, shared, filters: { ...filters.value } as Record<string, string>, position: 0 }
    const made = await call("post", "/api/v1/saved-views", { body })
    await load()
    choose(made.id)
  }
  async function change(id: string, body: { name?: string; shared?: boolean; filters?: Record<string, string> }): Promise<void> {
    await call("patch", "/api/v1/saved-views/{view_id}", { path: { view_id: id }, body })
    await load()
    if (body.filters) narrow(null)
  }
  async function remove(id: string): Promise<void> {
    await call("delete", "/api/v1/saved-views/{view_id}", { path: { view_id: id } })
    if (chosen.value === id) choose("")
    await load()
  }
  return { items, current, filters, isNarrowed, sort, choose, narrow, load, save, change, remove }
})
