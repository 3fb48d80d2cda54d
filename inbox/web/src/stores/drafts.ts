import { defineStore } from "pinia"
import { reactive, watch } from "vue"
import { ApiError, call } from "@/api/client"
import type { Interaction } from "@/api/types"
import { emptyDraft, isBlank, type Draft } from "@/lib/compose"
import { chosen, emptied, heard, joined, nothingKept, parsed, toBody, type DraftItem, type Kept } from "@/lib/drafts"
import { linkState, listen, onReset } from "@/live/socket"
import { useSession } from "./session"

const REST_MS = 900

/** What the signed-in agent has begun to write, by conversation; the same on all his pages. */
export const useDrafts = defineStore("drafts", () => {
  const rows = reactive(new Map<string, Kept>())
  const session = useSession()
  const timers = new Map<string, ReturnType<typeof setTimeout>>()
  const saving = new Map<string, Promise<void>>()

  const nameOf = (conversation: string): string => `draft:${session.me ?? ""}:${conversation}`
  function put(conversation: string, kept: Kept): void {
    rows.set(conversation, kept)
    if (isBlank(kept.draft) && !kept.other) localStorage.removeItem(nameOf(conversation))
    else localStorage.setItem(nameOf(conversation), JSON.stringify(kept))
  }
  function of(conversation: string): Kept {
    const known = rows.get(conversation)
    if (known) return known
    rows.set(conversation, parsed(localStorage.getItem(nameOf(conversation))))
    return rows.get(conversation)!
  }
  /** Something is begun there: for the mark in the list. */
  const has = (conversation: string): boolean => {
    const kept = rows.get(conversation)
    return !!kept && !isBlank(kept.draft)
  }
  const textOf = (conversation: string): string => (has(conversation) ? rows.get(conversation)!.draft.text : "")

  // ------------------------------------------------------------ to the hub

  function change(conversation: string, changes: Partial<Draft>): void {
    const kept = of(conversation)
    put(conversation, { ...kept, draft: { ...kept.draft, ...changes }, dirty: true })
    later(conversation)
  }
  function later(conversation: string): void {
    clearTimeout(timers.get(conversation))
    timers.set(conversation, setTimeout(() => void save(conversation), REST_MS))
  }
  async function save(conversation: string): Promise<void> {
    timers.delete(conversation)
    // One after the other: the second goes on from what the first became.
    await saving.get(conversation)
    const kept = rows.get(conversation)
    if (!kept?.dirty || kept.other || linkState.value === "lost" || !session.me) return
    const work = keepAt(conversation, kept).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error
    })
    saving.set(conversation, work)
    await work
    saving.delete(conversation)
  }
  async function keepAt(conversation: string, kept: Kept): Promise<void> {
    const path = { conversation_id: conversation }
    const blank = isBlank(kept.draft)
    try {
      const now = blank ? null : await call("put", "/api/v1/conversations/{conversation_id}/draft", { path, body: { ...toBody(kept.draft), seen_at: kept.seen_at } })
      if (blank && kept.seen_at) await call("delete", "/api/v1/conversations/{conversation_id}/draft", { path })
      const later = of(conversation)
      put(conversation, { ...later, seen_at: now?.updated_at ?? null, dirty: later.draft !== kept.draft && later.dirty })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status === 409) await ask(conversation)
    }
  }
  async function ask(conversation: string): Promise<void> {
    const found = await call("get", "/api/v1/conversations/{conversation_id}/draft", { path: { conversation_id: conversation } })
    put(conversation, heard(of(conversation), "updated_at" in (found ?? {}) ? (found as DraftItem) : null))
  }

  // ------------------------------------------------------------ sent, taken back

  /** The composer is empty again; the hub throws its draft away with the message. Resolves when nothing is on its way there. */
  async function clear(conversation: string): Promise<void> {
    clearTimeout(timers.get(conversation))
    put(conversation, { ...nothingKept(), draft: emptied(of(conversation).draft) })
    await saving.get(conversation)
  }
  function restore(conversation: string, draft: Draft): void {
    const kept = of(conversation)
    change(conversation, joined(draft, kept.draft))
  }
  /** What can be had back of a message that was written on another page. */
  const ofSent = (item: Interaction): Draft => ({
    ...emptyDraft(item.kind === "note" ? "note" : "message"), text: item.text ?? "", subject: item.subject ?? "",
    files: (item.attachments ?? []).flatMap((file) => (file.id ? [{ id: file.id, name: file.name ?? "", type: file.type ?? "", size: file.size ?? 0 }] : [])),
  })
  function choose(conversation: string, theirs: boolean): void {
    put(conversation, chosen(of(conversation), theirs))
    if (!theirs) later(conversation)
  }

  // ------------------------------------------------------------ from the hub

  /** What this browser has kept, also what the hub never got: the page was closed too soon, or the hub was away. */
  function revive(): void {
    const mine = nameOf("")
    for (const key of Object.keys(localStorage)) if (key.startsWith(mine) && of(key.slice(mine.length)).dirty) later(key.slice(mine.length))
  }
  async function load(): Promise<void> {
    if (!session.me) return
    revive()
    const found = await call("get", "/api/v1/drafts", { query: { limit: 200 } })
    for (const item of found.items) put(item.conversation_id, heard(of(item.conversation_id), item))
  }
  listen("draft.changed", ({ data }) => {
    if (data.agent_id !== session.me) return
    const conversation = data.conversation_id as string
    const at = (data.updated_at as string | null) ?? null
    void (saving.get(conversation) ?? Promise.resolve()).then(() => {
      if (of(conversation).seen_at === at) return
      return at === null ? put(conversation, heard(of(conversation), null)) : ask(conversation)
    }).catch(() => undefined)
  })
  onReset(load)
  watch(() => session.me, () => {
    rows.clear()
    void load().catch(() => undefined)
  }, { immediate: true })
  watch(linkState, (now) => {
    if (now === "live") for (const [conversation, kept] of rows) if (kept.dirty) later(conversation)
  })
  return { rows, of, has, textOf, change, save, clear, restore, ofSent, choose, load }
})
