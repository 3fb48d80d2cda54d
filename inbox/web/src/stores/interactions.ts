import { defineStore } from "pinia"
import { reactive, shallowReactive } from "vue"
import { ApiError, call, newKey } from "@/api/client"
import type { Failure, Interaction } from "@/api/types"
import { laterState } from "@/lib/patch"
import { listen, onReset } from "@/live/socket"
import { useSession } from "./session"

const PAGE = 60
export interface Thread {
  items: Map<string, Interaction>
  /** Where older ones begin; null when all are here. */
  older: string | null
  loading: boolean
  loaded: boolean
  error: ApiError | null
}

export const useInteractions = defineStore("interactions", () => {
  const threads = shallowReactive(new Map<string, Thread>())
  const session = useSession()

  function threadOf(conversation: string): Thread {
    const found = threads.get(conversation) ?? reactive<Thread>({ items: new Map(), older: null, loading: false, loaded: false, error: null })
    if (!threads.has(conversation)) threads.set(conversation, found)
    return found
  }
  async function load(conversation: string): Promise<void> {
    const thread = threadOf(conversation)
    if (thread.loading || (thread.loaded && !thread.older)) return
    thread.loading = true
    thread.error = null
    try {
      const page = await call("get", "/api/v1/interactions", { query: { conversation, order: "desc", limit: PAGE, after: thread.older ?? undefined } })
      for (const item of page.items as Interaction[]) thread.items.set(item.id, { ...item, ...stateOf(thread.items.get(item.id), item) })
      thread.older = page.next ?? null
      thread.loaded = true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      thread.error = error
    } finally {
      thread.loading = false
    }
  }
  const stateOf = (known: Interaction | undefined, item: Interaction): Partial<Interaction> => (known?.state && item.state ? { state: laterState(known.state, item.state) } : {})

  /** A message of ours is on the screen before the hub has it; it stays there, marked, when the hub refuses. */
  async function send(conversation: string, kind: "message" | "note", text: string, resend?: Interaction): Promise<void> {
    const thread = threadOf(conversation)
    const key = resend?.pending ?? newKey()
    const local: Interaction = {
      id: `local ${key}`, pending: key, at: new Date().toISOString(), received_at: "", kind, direction: "out", text, state: kind === "note" ? null : "sending",
      agent_id: session.me, sender: { kind: "agent", value: "", name: session.agent?.name }, channel_id: "", contact_id: "", conversation_id: conversation,
    }
    thread.items.set(local.id, local)
    try {
      const done = await call("post", "/api/v1/conversations/{conversation_id}/messages", { path: { conversation_id: conversation }, body: { kind, text }, key })
      thread.items.delete(local.id)
      const known = thread.items.get(done.interaction_id)
      const state = kind === "note" ? null : laterState(known?.state, done.state)
      thread.items.set(done.interaction_id, { ...local, ...known, id: done.interaction_id, pending: undefined, state, outbound_id: done.outbound_id ?? undefined })
    } catch (error) {
      const failure = error instanceof ApiError ? { code: error.code, text: error.message, class: error.status ? "refused" : "unreachable" } : undefined
      thread.items.set(local.id, { ...local, state: "unsent", error: failure })
      throw error
    }
  }
  function drop(item: Interaction): void {
    threads.get(item.conversation_id)?.items.delete(item.id)
  }
  async function retry(item: Interaction): Promise<void> {
    if (item.pending) return send(item.conversation_id, item.kind as "message" | "note", item.text ?? "", item)
    let id = item.outbound_id
    if (!id) {
      const found = await call("get", "/api/v1/outbound", { query: { conversation: item.conversation_id, state: "failed,in_doubt", limit: 200 } })
      id = found.items.find((one) => one.interaction_id === item.id)?.id
    }
    if (id) await call("post", "/api/v1/outbound/{outbound_id}/retry", { path: { outbound_id: id } })
  }

  listen("interaction.created", ({ data }) => {
    const item = data.interaction as Interaction
    const thread = threads.get(item.conversation_id)
    if (!thread?.loaded) return
    const mine = [...thread.items.values()].find((one) => one.pending && one.state !== "unsent" && one.text === item.text && item.direction === "out")
    if (mine) thread.items.delete(mine.id)
    const known = thread.items.get(item.id)
    thread.items.set(item.id, { ...item, ...known, ...stateOf(known, item) })
  })
  listen("interaction.state", ({ data }) => {
    const thread = threads.get(data.conversation_id as string)
    const known = thread?.items.get(data.interaction_id as string)
    if (!thread || !known) return
    const state = laterState(known.state, data.state as string)
    thread.items.set(known.id, { ...known, state, error: (data.error as Failure | undefined) ?? null, outbound_id: data.outbound_id as string })
  })
  listen("call.updated", ({ data }) => {
    const thread = threads.get(data.conversation_id as string)
    const known = thread?.items.get(data.interaction_id as string)
    if (thread && known) thread.items.set(known.id, { ...known, call: data.call as Interaction["call"] })
  })
  for (const name of ["attachment.kept", "attachment.failed"])
    listen(name, ({ data }) => void again(data.conversation_id as string, data.interaction_id as string).catch(() => undefined))
  /** The frame says that a file is here now; the item says which link leads to it. */
  async function again(conversation: string, id: string): Promise<void> {
    const thread = threads.get(conversation)
    if (!thread?.items.has(id)) return
    const page = await call("get", "/api/v1/interactions", { query: { conversation, order: "desc", limit: PAGE } })
    const found = (page.items as Interaction[]).find((one) => one.id === id)
    if (found) thread.items.set(id, { ...found, ...stateOf(thread.items.get(id), found) })
  }
  onReset(async () => {
    const open = [...threads.keys()]
    for (const thread of threads.values()) Object.assign(thread, { items: new Map([...thread.items].filter(([, one]) => one.pending)), older: null, loaded: false })
    await Promise.all(open.slice(-3).map(load))
  })
  return { threads, threadOf, load, send, drop, retry }
})
