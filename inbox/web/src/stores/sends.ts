import { defineStore } from "pinia"
import { ref, watch } from "vue"
import { ApiError, call, newKey, type Answer } from "@/api/client"
import type { Failure } from "@/api/types"
import { isPassing, nextSend, readSends, renewed, revived, toMessage, type Send } from "@/lib/sends"
import { linkState, lostSince } from "@/live/socket"
import { useSession } from "./session"

export type Accepted = Answer<"/api/v1/conversations/{conversation_id}/messages", "post">
/** Who shows them; `away`: the hub is not there now. */
export interface SendWatcher {
  waiting: (send: Send, away: boolean) => void
  done: (send: Send, accepted: Accepted, began: number) => void
  refused: (send: Send, failure: Failure) => void
}
const AGAIN_MS = 5_000
/** After the connection is back, what was missed is shown first. */
const CATCH_UP_MS = 600
/** A socket that stays away this long may be forbidden on the way here, while requests still pass. */
const PATIENCE_MS = 20_000

/** What is on its way to the hub, in order, also over a reload of the page. */
export const useSends = defineStore("sends", () => {
  const session = useSession()
  const queue = ref<Send[]>([])
  let watcher: SendWatcher | null = null
  let busy = false
  /** Its request is under way: it can't be taken off the queue any more. */
  let going = ""
  let timer: ReturnType<typeof setTimeout> | undefined

  const name = (): string => `sends:${session.me ?? ""}`
  const keep = (): void => (queue.value.length ? localStorage.setItem(name(), JSON.stringify(queue.value)) : localStorage.removeItem(name()))
  const find = (key: string): Send | undefined => queue.value.find((one) => one.key === key)
  const put = (key: string, send: Send | null): void => {
    queue.value = queue.value.flatMap((one) => (one.key === key ? (send ? [send] : []) : [one]))
    keep()
  }
  function later(ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(() => void flush(), ms)
  }
  function add(send: Send): void {
    queue.value = [...queue.value, send]
    keep()
    watcher?.waiting(send, linkState.value === "lost")
    void flush()
  }
  /** A failure stops the queue only while the hub is away. */
  async function flush(): Promise<void> {
    if (busy || !session.me) return
    if (linkState.value === "lost" && Date.now() - (lostSince.value ?? 0) < PATIENCE_MS) return later(AGAIN_MS)
    busy = true
    try {
      for (let send = nextSend(queue.value); send; send = nextSend(queue.value)) if (!(await post(send))) return later(AGAIN_MS)
    } finally {
      busy = false
    }
  }
  async function post(send: Send): Promise<boolean> {
    const began = Date.now()
    going = send.key
    try {
      const accepted = await call("post", "/api/v1/conversations/{conversation_id}/messages", { path: { conversation_id: send.conversation }, body: toMessage(send), key: send.key })
      put(send.key, null)
      watcher?.done(send, accepted, began)
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (isPassing(error.status)) {
        watcher?.waiting(send, true)
        return false
      }
      const failure = { class: "refused", code: error.code, text: error.message }
      put(send.key, { ...send, refused: failure })
      watcher?.refused(send, failure)
      return true
    } finally {
      going = ""
    }
  }
  function again(key: string): void {
    const send = find(key)
    if (!send) return
    const now = renewed(send, Date.now(), newKey)
    // Behind those that wait already: it was written before, but it goes now.
    queue.value = [...queue.value.filter((one) => one.key !== key), now]
    keep()
    watcher?.waiting(now, linkState.value === "lost")
    void flush()
  }
  /** Off the queue; undefined: it is on its way already. */
  function drop(key: string): Send | undefined {
    if (key === going) return undefined
    const send = find(key)
    put(key, null)
    return send
  }
  function watched(by: SendWatcher): void {
    watcher = by
  }
  watch(() => session.me, () => {
    queue.value = session.me ? revived(readSends(localStorage.getItem(name())), Date.now()) : []
    if (queue.value.length) later(CATCH_UP_MS)
  }, { immediate: true })
  watch(linkState, (now) => now === "live" && queue.value.length && later(CATCH_UP_MS))
  // Another page of the same browser has sent some of them.
  if (typeof window !== "undefined") window.addEventListener("storage", (event) => {
    if (event.key === name()) queue.value = readSends(event.newValue)
  })
  return { queue, add, flush, again, drop, find, watched }
})
