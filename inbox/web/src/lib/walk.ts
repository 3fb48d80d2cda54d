import { keepPreviousData, useInfiniteQuery, useQueryClient, type InfiniteData } from "@tanstack/vue-query"
import { computed, onScopeDispose, type ComputedRef } from "vue"
import type { ApiError } from "@/api/client"
import { onReset } from "@/live/socket"

interface Page<T> { items: T[]; next?: string | null }
const GATHER_MS = 700

/** A list of the hub, page by page; `key` names the list and what it is narrowed to. */
export function useWalk<T extends { id: string }>(key: ComputedRef<readonly unknown[]>, read: (after: string | undefined, signal: AbortSignal) => Promise<Page<T>>) {
  const client = useQueryClient()
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page<T>) => page.next ?? undefined,
    placeholderData: keepPreviousData,
  })
  const rows = computed<T[]>(() => {
    // A row that moved while the pages were read stands on two of them.
    const found = new Map<string, T>()
    for (const page of (query.data.value as InfiniteData<Page<T>> | undefined)?.pages ?? []) for (const row of page.items) found.set(row.id, row)
    return [...found.values()]
  })
  function more(): void {
    if (query.hasNextPage.value && !query.isFetchingNextPage.value && !query.isError.value) void query.fetchNextPage()
  }
  /** `change` answers with the row as it is now, or null where it is no longer in the list. */
  function patch(id: string, change: (row: T) => T | null): void {
    client.setQueryData<InfiniteData<Page<T>>>([...key.value], (data) => data && {
      ...data,
      pages: data.pages.map((page) => ({ ...page, items: page.items.flatMap((row) => (row.id === id ? (change(row) ?? []) : [row])) })),
    })
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Read anew, once for a burst of news. */
  function stale(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      void query.refetch()
    }, GATHER_MS)
  }
  const off = onReset(async () => void (await query.refetch()))
  onScopeDispose(() => {
    clearTimeout(timer)
    off()
  })
  return {
    rows, more, patch, stale,
    loading: computed(() => query.isPending.value),
    error: computed(() => (query.error.value as ApiError | null) ?? null),
    again: () => void query.refetch(),
    isMore: computed(() => query.hasNextPage.value),
  }
}
