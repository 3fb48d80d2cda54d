/** Lists of the settings: read whole, read anew after each change. */
import { useToast } from "@nuxt/ui/composables"
import { useQuery, useQueryClient } from "@tanstack/vue-query"
import { computed, ref } from "vue"
import { ApiError } from "@/api/client"
import { useAgents, useChannels, useQueues } from "@/stores/directory"
import { useTrouble } from "./trouble"

/** What went wrong, for the screen; what is no refusal of the hub is a mistake of ours. */
export function refusal(error: unknown): ApiError | null {
  if (error === null || error === undefined || error instanceof ApiError) return error ?? null
  throw error
}

export function useAll<T>(name: string, read: (signal: AbortSignal) => Promise<{ items: unknown[] }>) {
  const query = useQuery({ queryKey: ["settings", name], queryFn: ({ signal }) => read(signal), staleTime: 0 })
  return {
    items: computed(() => (query.data.value?.items ?? []) as T[]),
    pending: computed(() => query.isPending.value),
    error: computed(() => refusal(query.error.value)),
    again: (): void => void query.refetch(),
  }
}

/** A write: one at a time, refusals told, the lists named read anew, and the directory that the whole page uses. */
export function useWrite(...names: string[]) {
  const client = useQueryClient()
  const toast = useToast()
  const { tried } = useTrouble()
  const directory = { agents: useAgents(), channels: useChannels(), queues: useQueues() }
  const busy = ref(false)

  async function write(act: () => Promise<unknown>, said = ""): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    try {
      if (!(await tried(act))) return false
      const shared = names.flatMap((name) => (name in directory ? [directory[name as keyof typeof directory].load()] : []))
      await tried(() => Promise.all([...shared, ...names.map((name) => client.invalidateQueries({ queryKey: ["settings", name] }))]))
      if (said) toast.add({ title: said, color: "success", icon: "i-lucide-check" })
      return true
    } finally {
      busy.value = false
    }
  }
  return { busy, write }
}
