import { onScopeDispose, reactive } from "vue"
import { ApiError, call } from "@/api/client"
import type { Interaction } from "@/api/types"
import { laterState } from "@/lib/patch"
import { listen } from "@/live/socket"

const PAGE = 60
/** Whose stream: one conversation's, or everything of a client over all channels. */
export type Scope = { conversation: string } | { contact: string }
export interface Part { items: Map<string, Interaction>; older: string | null; newer: string | null; loading: boolean; loaded: boolean; error: ApiError | null }

const ask = (query: Scope & { order?: "desc"; since?: string; until?: string; after?: string | null }) => call("get", "/api/v1/interactions", { query: { limit: PAGE, ...query } })

/** A part of a stream, read page by page both ways from where it was opened; at its end it is live. */
export function useWindow() {
  const part = reactive<Part>({ items: new Map(), older: null, newer: null, loading: false, loaded: false, error: null })
  let scope: Scope | null = null
  let turn = 0
  let untilOf: string | undefined
  let sinceOf: string | undefined

  const keep = (items: unknown[]): void => {
    for (const item of items as Interaction[]) part.items.set(item.id, item)
  }
  async function reading(work: (mine: () => boolean) => Promise<void>): Promise<void> {
    const now = turn
    Object.assign(part, { loading: true, error: null })
    try {
      await work(() => now === turn)
      if (now === turn) part.loaded = true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (now === turn) part.error = error
    } finally {
      if (now === turn) part.loading = false
    }
  }
  /** `at`: a moment in its midst; absent: its end. */
  async function open(of: Scope, at?: string): Promise<void> {
    scope = of
    turn++
    Object.assign(part, { items: new Map(), older: null, newer: null, loaded: false })
    await reading(async (mine) => {
      const [before, after] = await Promise.all([ask({ ...of, order: "desc", until: at }), at ? ask({ ...of, since: at }) : null])
      if (!mine()) return
      keep([...before.items, ...(after?.items ?? [])])
      part.older = before.next ?? null
      part.newer = after?.next ?? null
      untilOf = sinceOf = at
    })
  }
  async function earlier(): Promise<void> {
    if (part.loading || !part.older || !scope) return
    const of = scope
    await reading(async (mine) => {
      const page = await ask({ ...of, order: "desc", until: untilOf, after: part.older })
      if (!mine()) return
      keep(page.items)
      part.older = page.next ?? null
    })
  }
  async function later(): Promise<void> {
    if (part.loading || !part.newer || !scope) return
    const of = scope
    await reading(async (mine) => {
      const page = await ask({ ...of, since: sinceOf, after: part.newer })
      if (!mine()) return
      keep(page.items)
      part.newer = page.next ?? null
    })
  }
  const isOurs = (item: Interaction): boolean => !!scope && ("contact" in scope ? item.contact_id === scope.contact : item.conversation_id === scope.conversation)
  const offs = [
    listen("interaction.created", ({ data }) => {
      const item = data.interaction as Interaction
      if (part.loaded && !part.newer && isOurs(item)) part.items.set(item.id, { ...item, ...part.items.get(item.id) })
    }),
    listen("interaction.state", ({ data }) => {
      const known = part.items.get(data.interaction_id as string)
      if (known) part.items.set(known.id, { ...known, state: laterState(known.state, data.state as string) })
    }),
    listen("call.updated", ({ data }) => {
      const known = part.items.get(data.interaction_id as string)
      if (known) part.items.set(known.id, { ...known, call: data.call as Interaction["call"] })
    }),
    listen("interaction.edited", ({ data }) => void again(data.interaction_id as string)),
    listen("attachment.kept", ({ data }) => void again(data.interaction_id as string)),
  ]
  async function again(id: string): Promise<void> {
    if (!part.items.has(id)) return
    const found = await call("get", "/api/v1/interactions/{interaction_id}", { path: { interaction_id: id } }).catch(() => null)
    if (found) part.items.set(id, found as Interaction)
  }
  onScopeDispose(() => offs.forEach((off) => off()))
  return { part, open, earlier, later }
}
