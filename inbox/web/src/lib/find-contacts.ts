import { keepPreviousData, useQuery } from "@tanstack/vue-query"
import { computed, ref, watch, type Ref } from "vue"
import { call } from "@/api/client"
import type { Contact } from "@/api/types"

const PAUSE_MS = 200
const MOST = 20

/** Cards by a part of their name, while somebody types; nothing is asked until `open`. */
export function useFindContacts(kind: "person" | "company", open: Ref<boolean>) {
  const words = ref("")
  const asked = ref("")
  let timer: ReturnType<typeof setTimeout> | undefined
  watch(words, (now) => {
    clearTimeout(timer)
    timer = setTimeout(() => (asked.value = now.trim()), PAUSE_MS)
  })
  const query = useQuery({
    queryKey: computed(() => ["find-contacts", kind, asked.value]), enabled: open, placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call("get", "/api/v1/contacts", { query: { type: kind, q: asked.value || undefined, sort: asked.value ? "name" : "created", order: asked.value ? "asc" : "desc", limit: MOST }, signal }),
  })
  return { words, found: computed<Contact[]>(() => query.data.value?.items ?? []), loading: computed(() => query.isFetching.value) }
}
