import { useQuery, useQueryClient } from "@tanstack/vue-query"
import { computed, onScopeDispose, ref } from "vue"
import { ApiError, call } from "@/api/client"
import type { Card } from "@/api/records"
import { listen, onReset } from "@/live/socket"
import { isAbout } from "./people"

export interface CardChanges { name?: string; kind?: "person" | "company"; owner_id?: string | null; company_id?: string | null; tags?: string[]; vip?: boolean; birthday?: string | null; language?: string; timezone?: string; custom?: Record<string, unknown> }
const GATHER_MS = 400

/** One card with all that stands on it: read, kept fresh by live news, changed where it stands. */
export function useCard(id: () => string) {
  const client = useQueryClient()
  const key = computed(() => ["card", id()])
  // What was read before is shown at once, and read anew: nobody listened meanwhile.
  const query = useQuery({ queryKey: key, staleTime: 0, queryFn: ({ signal }) => call("get", "/api/v1/contacts/{contact_id}", { path: { contact_id: id() }, signal }) })
  const card = computed<Card | undefined>(() => query.data.value)
  const busy = ref(0)
  let turn: Promise<unknown> = Promise.resolve()

  const put = (of: readonly string[], given: Partial<Card>): void => void client.setQueryData<Card>([...of], (known) => known && { ...known, ...given })
  /** Shown at once; taken back when the hub refuses. One change after the other, each upon the version before it. */
  async function patch(changes: CardChanges): Promise<void> {
    const of = key.value
    put(of, changes as Partial<Card>)
    busy.value++
    const mine = turn.then(async () => {
      const known = client.getQueryData<Card>(of)
      if (!known) return
      const answer = await call("patch", "/api/v1/contacts/{contact_id}", { path: { contact_id: known.id }, body: { ...changes, version: known.version } as never })
      put(of, answer as Partial<Card>)
    })
    turn = mine.catch(() => undefined)
    try {
      await mine
    } catch (error) {
      await query.refetch()
      throw error
    } finally {
      busy.value--
      // How owner and company are called comes with the whole card.
      if ("owner_id" in changes || "company_id" in changes) stale()
    }
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  function stale(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      if (!busy.value) void query.refetch()
    }, GATHER_MS)
  }
  const about = (contact: unknown): void => {
    if (card.value && isAbout(card.value, contact)) stale()
  }
  const idIn = (data: Record<string, unknown>, name: string): unknown => (data[name] as { id?: string; contact_id?: string } | undefined)
  const stops = [
    listen("contact.", ({ data, type }) => {
      if (type !== "contact.typing") about((idIn(data, "contact") as { id?: string } | undefined)?.id ?? data.contact_id)
    }),
    listen("task.", ({ data }) => about((idIn(data, "task") as { contact_id?: string } | undefined)?.contact_id)),
    listen("conversation.", ({ data }) => about((idIn(data, "conversation") as { contact_id?: string } | undefined)?.contact_id ?? data.contact_id)),
    listen("interaction.created", ({ data }) => about((idIn(data, "interaction") as { contact_id?: string } | undefined)?.contact_id)),
    listen("call.", ({ data }) => about(data.contact_id)),
    onReset(async () => void (await query.refetch())),
  ]
  onScopeDispose(() => {
    clearTimeout(timer)
    stops.forEach((stop) => stop())
  })
  const error = computed(() => query.error.value as ApiError | null)
  return { card, error, missing: computed(() => error.value?.status === 404), loading: computed(() => query.isPending.value), busy: computed(() => busy.value > 0), patch, put: (given: Partial<Card>) => put(key.value, given), again: () => query.refetch() }
}
