import { call } from "@/api/client"
import { useConversations } from "@/stores/conversations"
import type { Area, PaletteItem } from "./types"

async function findContacts(words: string, signal: AbortSignal): Promise<PaletteItem[]> {
  const address = /^[+\d\s()-]{4,}$|@/.test(words)
  const found = await call("get", "/api/v1/contacts", { query: address ? { identity: words, limit: 8 } : { q: words, limit: 8 }, signal })
  const rows = useConversations()
  return found.items.flatMap((card) => {
    const open = rows.ofContact(card.id)[0]
    const hint = (card.identities ?? []).map((one) => one.value).slice(0, 2).join(" · ")
    return [{ id: card.id, label: card.name || hint || "—", hint, icon: "i-lucide-user", to: open ? `/inbox/${open.id}` : `/inbox?contact=${card.id}` }]
  })
}

async function findMessages(words: string, signal: AbortSignal): Promise<PaletteItem[]> {
  const found = await call("get", "/api/v1/interactions", { query: { q: words, limit: 8, order: "desc" }, signal })
  const rows = useConversations()
  return found.items.map((item) => ({
    id: item.id,
    label: item.text || item.subject || "—",
    hint: rows.rows.get(item.conversation_id)?.contact_name,
    icon: "i-lucide-message-circle",
    to: `/inbox/${item.conversation_id}`,
  }))
}

export const area: Area = {
  name: "inbox",
  routes: [{ path: "/inbox/:id?", name: "inbox", component: () => import("@/views/inbox/InboxView.vue"), props: true }],
  menu: { label: "inbox.title", icon: "i-lucide-inbox", to: "/inbox", order: 10, count: () => useConversations().unread },
  palette: [
    { label: "inbox.contacts", search: findContacts },
    { label: "inbox.messages", search: findMessages },
  ],
  keys: [
    { press: "j", label: "inbox.key_next" },
    { press: "k", label: "inbox.key_previous" },
    { press: "r", label: "inbox.key_reply" },
    { press: "n", label: "inbox.key_note" },
    { press: "a", label: "inbox.key_take" },
    { press: "e", label: "inbox.key_resolve" },
    { press: "mod+Enter", label: "inbox.key_send" },
  ],
}
