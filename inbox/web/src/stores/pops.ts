import { defineStore } from "pinia"
import { ref, shallowRef, watch } from "vue"
import { call, newKey } from "@/api/client"
import type { Disposition } from "@/api/records"
import { popOf, popsAfter, stillThere, type CallPop } from "@/lib/pops"
import { listen, onReset } from "@/live/socket"
import { useSession } from "./session"

const NOTE = "call-note:"
const HANDED_MS = 30 * 60_000

/** Calls that ring at this agent, that he talks on, and whose outcome he still owes. */
export const usePops = defineStore("pops", () => {
  const pops = shallowRef<CallPop[]>([])
  /** Notes being written, by call; kept on this device until the hub has them. */
  const notes = ref<Record<string, string>>({})
  const dispositions = shallowRef<Disposition[]>([])
  const session = useSession()

  const close = (id: string): void => void (pops.value = pops.value.filter((one) => one.call_id !== id))
  function note(id: string, text: string): void {
    notes.value = { ...notes.value, [id]: text }
    if (text) sessionStorage.setItem(NOTE + id, text)
    else sessionStorage.removeItem(NOTE + id)
  }
  async function saveNote(id: string): Promise<void> {
    const text = (notes.value[id] ?? "").trim()
    if (!text) return
    await call("patch", "/api/v1/calls/{call_id}", { path: { call_id: id }, body: { note: text } })
    note(id, "")
  }
  async function dispose(id: string, disposition: string): Promise<void> {
    const text = (notes.value[id] ?? "").trim()
    await call("patch", "/api/v1/calls/{call_id}", { path: { call_id: id }, body: text ? { disposition, note: text } : { disposition } })
    note(id, "")
  }
  const until = (id: string, wrap_up_until: string | null): void => void (pops.value = pops.value.map((one) => (one.call_id === id ? { ...one, wrap_up_until } : one)))
  /** A minute more to write the call up. */
  async function moreTime(id: string): Promise<void> {
    until(id, (await call("post", "/api/v1/wrap-up/more", { body: {} })).until)
  }
  /** There again before the time is over. */
  async function ready(id: string): Promise<void> {
    await session.setPresence("online")
    until(id, null)
  }
  /** A colleague goes on with it; what is being noted goes along and is kept. */
  async function hand(pop: CallPop, agent: string, title: string): Promise<void> {
    const text = (notes.value[pop.call_id] ?? "").trim()
    const about = [pop.caller.pretty || pop.caller.number, text].filter(Boolean).join("\n")
    const due = new Date(Date.now() + HANDED_MS).toISOString()
    await call("post", "/api/v1/tasks", { body: { title, text: about, kind: "call_back", assignee_id: agent, contact_id: pop.contact_id, conversation_id: pop.conversation_id, due_at: due }, key: newKey() })
    await saveNote(pop.call_id)
  }
  /** What goes on as the page opens, or as it comes back from far behind. */
  async function adopt(): Promise<void> {
    const me = session.me
    if (!me) return
    const [going, outcomes] = await Promise.all([
      call("get", "/api/v1/calls", { query: { state: "ringing,talking,held", limit: 20 } }),
      call("get", "/api/v1/dispositions", { query: { object: "call", active: true, limit: 200 } }),
    ])
    dispositions.value = outcomes.items
    for (const one of going.items) {
      if (one.agent_id !== me && !one.ringing?.includes(me)) continue
      const found = popOf(await call("get", "/api/v1/calls/{call_id}", { path: { call_id: one.id } }), me)
      if (found && !pops.value.some((known) => known.call_id === found.call_id)) pops.value = [found, ...pops.value]
    }
  }
  for (const stage of ["ringing", "answered", "finished"]) listen(`call.${stage}`, (frame) => void (pops.value = popsAfter(pops.value, frame, session.me, Date.now())))
  onReset(async () => {
    pops.value = pops.value.filter((one) => one.stage === "finished")
    await adopt()
  })
  watch(pops, (now, before) => {
    for (const one of now) if (!before.some((known) => known.call_id === one.call_id)) note(one.call_id, sessionStorage.getItem(NOTE + one.call_id) ?? "")
  })
  const sweep = (now: number): void => {
    const left = stillThere(pops.value, now, (id) => !!notes.value[id]?.trim())
    if (left.length !== pops.value.length) pops.value = left
  }
  return { pops, notes, dispositions, close, note, saveNote, dispose, moreTime, ready, hand, adopt, sweep }
})
