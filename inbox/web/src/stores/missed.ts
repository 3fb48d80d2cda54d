import { defineStore } from "pinia"
import { computed, ref } from "vue"
import { call } from "@/api/client"
import { listen, onReset } from "@/live/socket"

const MOST = 99
const GATHER_MS = 1_000

/** How many missed calls wait for somebody to call back. */
export const useMissed = defineStore("missed", () => {
  const count = ref(0)
  let timer: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    const found = await call("get", "/api/v1/calls", { query: { missed_not_called_back: true, limit: MOST + 1 } }).catch(() => null)
    if (found) count.value = found.items.length
  }
  function soon(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      void load()
    }, GATHER_MS)
  }
  // Only the end of a call, or of the task that stands for it, changes the number.
  listen("call.updated", ({ data }) => (data.call as { state?: string } | undefined)?.state === "finished" && soon())
  listen("task.", soon)
  onReset(load)
  void load()
  const shown = computed(() => (count.value > MOST ? `${MOST}+` : String(count.value)))
  return { count, shown, load }
})
