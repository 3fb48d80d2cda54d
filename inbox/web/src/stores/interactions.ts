import { defineStore } from "pinia"
import { reactive, shallowReactive } from "vue"
import { ApiError, call, newKey } from "@/api/client"
import type { Failure, Interaction } from "@/api/types"
import type { Draft } from "@/lib/compose"
import { localOf, withOutbound } from "@/lib/outgoing"
import { laterState } from "@/lib/patch"
import type { Send } from "@/lib/sends"
import { listen, onReset } from "@/live/socket"
import { useDrafts } from "./drafts"
import { useSends } from "./sends"
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
export interface SendOptions { mentions?: string[]; meta?: Record<string, unknown>; hold_s?: number; send_at?: string | null }

export const useInteractions = defineStore("interactions", () => {
  const threads = shallowReactive(new Map<string, Thread>())
  const session = useSession()
  const sends = useSends()

  function threadOf(conversation: string): Thread {
    const known = threads.get(conversation)
    if (known) return known
    const thread = reactive<Thread>({ items: new Map(), older: null, loading: false, loaded: false, error: null })
    threads.set(conversation, thread)
    for (const send of sends.queue) if (send.conversation === conversation) show(send, "waiting")
    return thread
  }
  async function load(conversation: string): Promise<void> {
    const thread = threadOf(conversation)
    if (thread.loading || (thread.loaded && !thread.older)) return
    thread.loading = true
    thread.error = null
    try {
      const page = await call("get", "/api/v1/interactions", { query: { conversation, order: "desc", limit: PAGE, after: thread.older ?? undefined } })
      const items = page.items as Interaction[]
      for (const item of items) if (item.state !== "cancelled") thread.items.set(item.id, { ...item, ...stateOf(thread.items.get(item.id), item) })
      thread.older = page.next ?? null
      thread.loaded = true
      if (items.some((one) => one.state === "queued")) void planned(conversation).catch(() => undefined)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      thread.error = error
    } finally {
      thread.loading = false
    }
  }
  const stateOf = (known: Interaction | undefined, item: Interaction): Partial<Interaction> =>
    known ? { send_at: known.send_at, undo_until: known.undo_until, outbound_id: known.outbound_id, ...(known.state && item.state ? { state: laterState(known.state, item.state) } : {}) } : {}

  /** When those that wait for their time leave. */
  async function planned(conversation: string): Promise<void> {
    const found = await call("get", "/api/v1/outbound", { query: { conversation, scheduled: true, limit: 200 } })
    for (const one of found.items) patch(one.interaction_id, { outbound_id: one.id, send_at: one.send_at ?? undefined })
  }
  /** In every thread that shows it: one that went over another channel stands where it was written too. */
  function patch(id: string, changes: Partial<Interaction>): void {
    for (const { items } of threads.values()) {
      const known = items.get(id)
      if (known) items.set(id, { ...known, ...changes })
    }
  }
  const gone = (id: string): void => threads.forEach(({ items }) => items.delete(id))
  const stateNow = (id: string): string | null | undefined => [...threads.values()].map(({ items }) => items.get(id)?.state).find(Boolean)

  // ------------------------------------------------------------ on the way out

  function show(send: Send, state: string, failure: Failure | null = send.refused): void {
    const local = localOf(send, session.agent)
    threads.get(send.conversation)?.items.set(local.id, { ...local, state: send.draft.kind === "note" && state === "sending" ? null : failure ? "unsent" : state, error: failure })
  }
  sends.watched({
    waiting: (send, away) => show(send, away ? "waiting" : "sending"),
    refused: (send, failure) => show(send, "unsent", failure),
    done: (send, accepted, began) => {
      gone(`local ${send.key}`)
      const known = threads.get(accepted.conversation_id)?.items.get(accepted.interaction_id)
      const item = { ...localOf(send, session.agent), ...known, id: accepted.interaction_id, conversation_id: accepted.conversation_id, pending: undefined, error: known?.error ?? null }
      item.state = send.draft.kind === "note" ? null : laterState(known?.state, accepted.state)
      const shown = withOutbound(item, accepted, send, began)
      for (const name of new Set([send.conversation, accepted.conversation_id])) threads.get(name)?.items.set(item.id, shown)
    },
  })
  /** On the screen before the hub has it; it stays there, marked, while the hub is away and when it refuses. */
  function send(conversation: string, draft: Draft, { mentions = [], meta = {}, hold_s = 0, send_at = null }: SendOptions = {}): void {
    threadOf(conversation)
    sends.add({ key: newKey(), conversation, at: Date.now(), draft, mentions, meta, hold_s, send_at, refused: null })
  }
  /** Off the screen, and off the queue: nothing of it was sent. Returns what was written. */
  function drop(item: Interaction): Draft | null {
    const send = item.pending ? sends.drop(item.pending) : undefined
    if (send || !item.pending) gone(item.id)
    return send?.draft ?? null
  }
  /** Back into the composer, where it has not left. */
  async function takeBack(item: Interaction): Promise<void> {
    const drafts = useDrafts()
    if (item.pending) {
      const draft = drop(item)
      if (draft) drafts.restore(item.conversation_id, draft)
      return
    }
    await call("post", "/api/v1/outbound/{outbound_id}/cancel", { path: { outbound_id: await outboundOf(item) } })
    gone(item.id)
    drafts.restore(item.from_conversation ?? item.conversation_id, item.draft ?? drafts.ofSent(item))
  }
  /** Another text or time of one that has not left; a time gone by sends it now. */
  async function replan(item: Interaction, changes: { text?: string; send_at?: string }): Promise<void> {
    const done = await call("patch", "/api/v1/outbound/{outbound_id}", { path: { outbound_id: await outboundOf(item) }, body: changes })
    patch(item.id, { text: done.text, send_at: done.send_at ?? undefined, undo_until: undefined })
  }
  async function cancel(item: Interaction): Promise<void> {
    await call("post", "/api/v1/outbound/{outbound_id}/cancel", { path: { outbound_id: await outboundOf(item) } })
    gone(item.id)
  }
  async function retry(item: Interaction): Promise<void> {
    if (item.pending) return sends.again(item.pending)
    await call("post", "/api/v1/outbound/{outbound_id}/retry", { path: { outbound_id: await outboundOf(item) } })
    patch(item.id, { state: "queued", error: null })
  }
  /** Somebody looked at the provider's side: it was sent. */
  async function settle(item: Interaction): Promise<void> {
    await call("post", "/api/v1/outbound/{outbound_id}/settle", { path: { outbound_id: await outboundOf(item) }, body: { state: "sent" } })
    patch(item.id, { state: "sent", error: null })
  }
  async function outboundOf(item: Interaction): Promise<string> {
    if (item.outbound_id) return item.outbound_id
    const found = await call("get", "/api/v1/outbound", { query: { conversation: item.conversation_id, order: "desc", limit: 200 } })
    const id = found.items.find((one) => one.interaction_id === item.id)?.id
    if (!id) throw new ApiError("no such outbound message", 404, "not_found")
    return id
  }

  // ------------------------------------------------------------ what comes

  listen("interaction.created", ({ data }) => {
    const item = data.interaction as Interaction
    const thread = threads.get(item.conversation_id)
    if (!thread?.loaded) return
    const known = thread.items.get(item.id)
    const planned = data.send_at ? { send_at: data.send_at as string, outbound_id: data.outbound_id as string } : {}
    thread.items.set(item.id, { ...item, ...planned, ...known, ...stateOf(known, item) })
    // Ours comes by the socket before the answer: the one that waited is this one.
    if (item.direction === "out" && !known) for (const one of thread.items.values()) if (one.pending && one.state === "sending" && one.text === item.text && item.agent_id === session.me) return gone(one.id)
  })
  listen("interaction.state", ({ data }) => {
    const [id, given] = [data.interaction_id as string, data.state as string]
    if (given === "cancelled") return gone(id)
    const left = given === "queued" ? {} : { send_at: undefined, undo_until: undefined }
    patch(id, { state: laterState(stateNow(id), given), error: (data.error as Failure | undefined) ?? null, outbound_id: data.outbound_id as string, ...left })
  })
  listen("interaction.edited", ({ data, at }) => {
    const changes: Partial<Interaction> = data.send_at ? { send_at: data.send_at as string } : { edited_at: at }
    patch(data.interaction_id as string, { text: data.text as string, ...changes })
  })
  listen("interaction.deleted", ({ data, at }) => (data.echo_of ? gone(data.interaction_id as string) : patch(data.interaction_id as string, { deleted_at: at })))
  listen("interaction.reaction", ({ data }) => patch(data.interaction_id as string, { reactions: data.reactions as Interaction["reactions"] }))
  listen("call.updated", ({ data }) => patch(data.interaction_id as string, { call: data.call as Interaction["call"] }))
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
  return { threads, threadOf, load, send, drop, takeBack, replan, cancel, retry, settle }
})
