import { watch } from "vue"
import { useInteractions } from "@/stores/interactions"

const KEPT = 40
const recent: string[] = []

/** Threads of the last conversations stay in memory, older ones are read anew; what still waits to be sent always stays. */
export function useRecent(open: () => string): void {
  const store = useInteractions()
  watch(open, (id) => {
    const at = recent.indexOf(id)
    if (at >= 0) recent.splice(at, 1)
    recent.push(id)
    while (recent.length > KEPT) {
      const old = recent.shift()!
      const thread = store.threads.get(old)
      if (thread && ![...thread.items.values()].some((item) => item.pending)) store.threads.delete(old)
    }
  }, { immediate: true })
}
/** What is likely to be opened next is read before it is asked for. */
export function usePrefetch() {
  const store = useInteractions()
  let turn = 0

  async function one(id: string | undefined): Promise<void> {
    if (!id) return
    const thread = store.threadOf(id)
    if (thread.loaded || thread.loading) return
    if (!recent.includes(id)) recent.splice(Math.max(0, recent.length - 1), 0, id)
    await store.load(id)
  }
  /** One after another, so that they are in nobody's way; others asked for meanwhile take their place. */
  async function all(ids: string[]): Promise<void> {
    const mine = ++turn
    for (const id of ids) {
      if (mine !== turn || document.visibilityState !== "visible") return
      await one(id)
    }
  }
  return { one, all }
}
