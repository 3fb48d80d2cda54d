import { useQuery } from "@tanstack/vue-query"
import { computed, type Ref } from "vue"
import { useI18n } from "vue-i18n"
import { call, type ApiError } from "@/api/client"
import type { Interaction } from "@/api/types"
import { channelIcon } from "@/components/inbox/channels"
import { isAddress, toAsk, type Place, type Seek } from "@/lib/seek"
import { useWalk } from "@/lib/walk"
import { useChannels } from "@/stores/directory"

/** Something found. `contact`: whose, to look on among his alone. */
export interface Hit { id: string; title: string; text?: string; hint?: string; at?: string; icon: string; to: string; contact?: string }

const FEW = 6
const SOME = 20
const callsOf = (contact: string, from?: string, to?: string, channel?: string) => call("get", "/api/v1/calls", { query: { contact, from, to, channel, limit: FEW } })

/** What has the words, by kind: clients, messages newest first, calls with the clients found, tasks. */
export function useSearch(seek: Readonly<Ref<Seek>>) {
  const { t, te } = useI18n()
  const channels = useChannels()
  const asked = computed(() => toAsk(seek.value))
  const enough = computed(() => seek.value.q.length > 1)
  const most = computed(() => (seek.value.in === "all" ? FEW : SOME))

  const walk = useWalk(
    computed(() => ["search", asked.value, seek.value.in === "all"]),
    async (after, signal) => (enough.value ? await call("get", "/api/v1/interactions", { query: { ...asked.value, limit: seek.value.in === "all" ? SOME : 50, after }, signal }) : { items: [], next: null }),
  )
  const rest = useQuery({
    queryKey: computed(() => ["search rest", asked.value, most.value]),
    enabled: enough,
    queryFn: async ({ signal }) => {
      const { q, contact, since, until, channel } = asked.value
      const people = contact
        ? [await call("get", "/api/v1/contacts/{contact_id}", { path: { contact_id: contact }, signal })]
        : (await call("get", "/api/v1/contacts", { query: isAddress(q) ? { identity: q, limit: most.value } : { q, limit: most.value, sort: "last", order: "desc" }, signal })).items
      const [tasks, ...calls] = await Promise.all([
        call("get", "/api/v1/tasks", { query: { q: q.slice(0, 100), contact, limit: most.value, order: "desc" }, signal }),
        ...people.slice(0, 3).map((one) => callsOf(one.id, since, until, channel)),
      ])
      return { people, tasks: tasks.items, calls: calls.flatMap((page) => page.items).sort((a, b) => (a.started_at < b.started_at ? 1 : -1)).slice(0, most.value) }
    },
  })
  const toMessage = (item: Interaction): Hit => ({
    id: item.id, title: item.contact_name || item.sender?.name || t("inbox.unnamed"), text: [item.subject, item.text].filter(Boolean).join(" · "), at: item.at, contact: item.contact_id,
    hint: channels.nameOf(item.channel_id), icon: item.kind === "note" ? "i-lucide-sticky-note" : channelIcon(channels.rows.get(item.channel_id)?.connector), to: `/inbox/${item.conversation_id}?at=${item.id}`,
  })
  const groups = computed<{ place: Place; hits: Hit[] }[]>(() => {
    if (!enough.value) return []
    const found = rest.data.value
    const addresses = (one: { identities?: { value: string }[] }): string => (one.identities ?? []).map((address) => address.value).slice(0, 3).join(" · ")
    return [
      { place: "contacts", hits: (found?.people ?? []).map((one) => ({ id: one.id, title: one.name || addresses(one) || t("inbox.unnamed"), hint: addresses(one), icon: "i-lucide-user", to: `/contacts/${one.id}`, contact: one.id })) },
      { place: "messages", hits: (walk.rows.value as Interaction[]).map(toMessage) },
      { place: "calls", hits: (found?.calls ?? []).map((one) => ({ id: one.id, title: one.contact_name || one.client || t("inbox.unnamed"), hint: te(`inbox.call_${one.outcome}`) ? t(`inbox.call_${one.outcome}`) : "", at: one.started_at, icon: one.outcome === "missed" ? "i-lucide-phone-missed" : "i-lucide-phone", to: `/inbox/${one.conversation_id}?at=${one.interaction_id}`, contact: one.contact_id })) },
      { place: "tasks", hits: (found?.tasks ?? []).map((one) => ({ id: one.id, title: one.title, text: one.text, at: one.due_at ?? undefined, icon: one.state === "open" ? "i-lucide-square" : "i-lucide-square-check", to: one.conversation_id ? `/inbox/${one.conversation_id}` : one.contact_id ? `/contacts/${one.contact_id}` : "/tasks" })) },
    ]
  })
  return {
    groups,
    person: computed(() => (seek.value.contact ? rest.data.value?.people[0]?.name : undefined)),
    busy: computed(() => enough.value && (walk.loading.value || rest.isFetching.value)),
    error: computed(() => walk.error.value ?? (rest.error.value as ApiError | null) ?? null),
    isMore: walk.isMore,
    more: walk.more,
    again: () => {
      walk.again()
      void rest.refetch()
    },
  }
}
