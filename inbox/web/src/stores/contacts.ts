import { defineStore } from "pinia"
import { shallowReactive } from "vue"
import { ApiError, call } from "@/api/client"
import type { Contact } from "@/api/types"
import { isCurrent } from "@/lib/patch"
import { listen, onReset } from "@/live/socket"

export const useContacts = defineStore("contacts", () => {
  const rows = shallowReactive(new Map<string, Contact>())

  function keep(card: Contact): void {
    if (isCurrent(rows.get(card.id), card)) rows.set(card.id, card)
  }
  /** Null: there is none that we may see. */
  async function load(id: string): Promise<Contact | null> {
    try {
      const card = await call("get", "/api/v1/contacts/{contact_id}", { path: { contact_id: id } })
      keep(card)
      if (card.id !== id) rows.set(id, card)
      return card
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null
      throw error
    }
  }
  listen("contact.", ({ data, type }) => {
    const id = ((data.contact as Contact | undefined)?.id ?? data.contact_id) as string | undefined
    if (type === "contact.typing" || !id || !rows.has(id)) return
    void load(id).catch(() => undefined)
  })
  onReset(async () => rows.clear())
  return { rows, keep, load }
})
