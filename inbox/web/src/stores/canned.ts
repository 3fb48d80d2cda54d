import { defineStore } from "pinia"
import { shallowRef } from "vue"
import { call } from "@/api/client"
import type { Canned } from "@/api/admin"
import { found } from "@/lib/caret"
import { listen, onReset } from "@/live/socket"

/** Canned answers: everybody's and one's own; read when somebody first asks for one. */
export const useCanned = defineStore("canned", () => {
  const rows = shallowRef<Canned[]>([])
  let reading: Promise<void> | null = null

  async function read(): Promise<void> {
    const all: Canned[] = []
    let after: string | undefined
    do {
      const page = await call("get", "/api/v1/canned", { query: { limit: 200, after } })
      all.push(...page.items)
      after = page.next ?? undefined
    } while (after)
    rows.value = all
  }
  function load(): Promise<void> {
    reading ??= read().catch((error: unknown) => {
      reading = null
      throw error
    })
    return reading
  }
  const stale = async (): Promise<void> => {
    if (!reading) return
    reading = null
    await load()
  }
  listen("canned.changed", () => void stale().catch(() => undefined))
  onReset(stale)
  /** Those offered on a connector, the best match first. */
  const offered = (words: string, connector: string | undefined): Canned[] =>
    found(rows.value.filter((one) => !one.kinds?.length || (!!connector && one.kinds.includes(connector))), words, (one) => one.shortcut, (one) => `${one.title ?? ""} ${one.text}`)
  /** The text for a conversation, its variables filled in. */
  const use = async (id: string, conversation: string): Promise<string> =>
    (await call("post", "/api/v1/canned/{canned_id}/use", { path: { canned_id: id }, body: { conversation_id: conversation } })).text
  return { rows, load, offered, use }
})
