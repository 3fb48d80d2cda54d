import { keepPreviousData, useQueries, useQuery, useQueryClient } from "@tanstack/vue-query"
import { computed, onScopeDispose, type ComputedRef } from "vue"
import { useI18n } from "vue-i18n"
import { call } from "@/api/client"
import type { SavedView } from "@/api/records"
import { listen } from "@/live/socket"
import { fromQuery, toFilters } from "./narrow"
import { useTrouble } from "./trouble"

const FRESH_MS = 60_000
const GATHER_MS = 5_000
const MOST_COUNTED = 12
const KEY = ["saved-views", "contact"]

const count = (filters: Record<string, unknown>) => ({
  queryKey: ["contacts-count", filters], staleTime: FRESH_MS, refetchInterval: FRESH_MS,
  queryFn: ({ signal }: { signal: AbortSignal }) => call("get", "/api/v1/contacts/count", { query: toFilters(fromQuery(filters)) as never, signal }),
})
/** How many cards there are under these conditions; what was counted before stands until it is known. */
export function useCount(filters: ComputedRef<Record<string, string>>) {
  const query = useQuery(computed(() => ({ ...count(filters.value), placeholderData: keepPreviousData })))
  return query.data
}

/** Saved segments of cards, each with how many are in it. Counted anew a while after cards changed, and each minute. */
export function useSegments() {
  const { n } = useI18n()
  const client = useQueryClient()
  const { tried } = useTrouble()
  const query = useQuery({ queryKey: KEY, queryFn: ({ signal }) => call("get", "/api/v1/saved-views", { query: { object: "contact", limit: 200 }, signal }) })
  const segments = computed<SavedView[]>(() => query.data.value?.items ?? [])
  const wholeCount = useQuery(count({}))
  const counted = useQueries({ queries: computed(() => segments.value.slice(0, MOST_COUNTED).map((one) => count(one.filters as Record<string, unknown>))) })
  const text = (found: { count: number; more: boolean } | undefined): string => (found ? n(found.count) + (found.more ? "+" : "") : "")
  const countOf = (id: string): string => text(counted.value[segments.value.findIndex((one) => one.id === id)]?.data as { count: number; more: boolean } | undefined)

  let timer: ReturnType<typeof setTimeout> | undefined
  const stops = [
    listen("contact.", ({ type }) => {
      if (type === "contact.typing") return
      timer ??= setTimeout(() => {
        timer = undefined
        void client.invalidateQueries({ queryKey: ["contacts-count"] })
      }, GATHER_MS)
    }),
    listen("view.changed", ({ data }) => {
      if (data.object === "contact") void query.refetch()
    }),
  ]
  onScopeDispose(() => {
    clearTimeout(timer)
    stops.forEach((stop) => stop())
  })
  /** A new one, or `old` under another name or for others. False: refused, and told. */
  async function save(old: SavedView | null, given: { name: string; shared: boolean; filters: Record<string, string> }): Promise<boolean> {
    const done = await tried(() => (old
      ? call("patch", "/api/v1/saved-views/{view_id}", { path: { view_id: old.id }, body: { name: given.name, ...(given.shared === !old.agent_id ? {} : { shared: given.shared }) } })
      : call("post", "/api/v1/saved-views", { body: { object: "contact", ...given, filters: given.filters as never } })))
    if (done) await query.refetch()
    return done
  }
  async function remove(one: SavedView): Promise<boolean> {
    const done = await tried(() => call("delete", "/api/v1/saved-views/{view_id}", { path: { view_id: one.id } }))
    if (done) await query.refetch()
    return done
  }
  return { segments, countOf, whole: computed(() => text(wholeCount.data.value)), save, remove }
}
