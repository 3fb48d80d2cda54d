import { defineStore } from "pinia"
import { shallowReactive } from "vue"
import { call } from "@/api/client"
import type { Way } from "@/lib/compose"
import { listen, onReset } from "@/live/socket"

/** By which addresses and channels a client can be written to, by his card. */
export const useWays = defineStore("ways", () => {
  const rows = shallowReactive(new Map<string, Way[]>())
  const reading = new Map<string, Promise<void>>()

  function load(contact: string): Promise<void> {
    const now = reading.get(contact) ?? read(contact).finally(() => reading.delete(contact))
    reading.set(contact, now)
    return now
  }
  async function read(contact: string): Promise<void> {
    const found = await call("get", "/api/v1/contacts/{contact_id}/ways", { path: { contact_id: contact } })
    rows.set(contact, found.items)
  }
  const stale = (contact: unknown): void => {
    if (typeof contact === "string" && rows.has(contact)) void load(contact).catch(() => undefined)
  }
  // What he writes opens a window; a new address or a mended channel is a new way.
  listen("interaction.created", ({ data }) => {
    const item = data.interaction as { contact_id?: string; direction?: string }
    if (item.direction === "in" && rows.get(item.contact_id ?? "")?.some((way) => way.why_not || way.window_ends_at)) stale(item.contact_id)
  })
  listen("contact.", ({ data }) => stale(data.contact_id ?? (data.contact as { id?: string } | undefined)?.id))
  listen("channel.", () => [...rows.keys()].forEach(stale))
  onReset(async () => rows.clear())
  return { rows, load }
})
