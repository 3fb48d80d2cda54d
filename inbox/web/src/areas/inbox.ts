import { call } from "@/api/client"
import { channelIcon } from "@/components/inbox/channels"
import { excerpt } from "@/lib/highlight"
import { isAddress } from "@/lib/seek"
import { useConversations } from "@/stores/conversations"
import { useChannels } from "@/stores/directory"
import { useTransfers } from "@/stores/transfers"
import type { Area, PaletteItem } from "./types"

async function findContacts(words: string, signal: AbortSignal): Promise<PaletteItem[]> {
  const found = await call("get", "/api/v1/contacts", { query: isAddress(words) ? { identity: words, limit: 6 } : { q: words, limit: 6, sort: "last", order: "desc" }, signal })
  const rows = useConversations()
  return found.items.flatMap((card) => {
    const open = rows.ofContact(card.id)[0]
    const hint = (card.identities ?? []).map((one) => one.value).slice(0, 2).join(" · ")
    return [{ id: card.id, label: card.name || hint || "—", hint, icon: "i-lucide-user", to: open ? `/inbox/${open.id}` : `/inbox?contact=${card.id}` }]
  })
}

async function findMessages(words: string, signal: AbortSignal): Promise<PaletteItem[]> {
  const found = await call("get", "/api/v1/interactions", { query: { q: words, limit: 8, order: "desc" }, signal })
  const channels = useChannels()
  return found.items.map((item) => ({
    id: item.id,
    label: excerpt(item.text || item.subject || "—", words, 90),
    hint: item.contact_name,
    icon: channelIcon(channels.rows.get(item.channel_id)?.connector),
    to: `/inbox/${item.conversation_id}?at=${item.id}`,
  }))
}

async function findTasks(words: string, signal: AbortSignal): Promise<PaletteItem[]> {
  const found = await call("get", "/api/v1/tasks", { query: { q: words.slice(0, 100), state: "open", limit: 4 }, signal })
  return found.items.map((task) => ({ id: task.id, label: task.title, hint: task.contact_name, icon: "i-lucide-square-check", to: task.conversation_id ? `/inbox/${task.conversation_id}` : task.contact_id ? `/contacts/${task.contact_id}` : "/tasks" }))
}

export const area: Area = {
  name: "inbox",
  routes: [{ path: "/inbox/:id?", name: "inbox", component: () => import("@/views/inbox/InboxView.vue"), props: true }],
  menu: { label: "inbox.title", icon: "i-lucide-inbox", to: "/inbox", order: 10, count: () => useConversations().unread + useTransfers().toMe.length },
  palette: [
    { label: "inbox.contacts", search: findContacts },
    { label: "inbox.messages", search: findMessages },
    { label: "inbox.in_tasks", search: findTasks },
  ],
  keys: [
    { press: "j", label: "inbox.key_next" },
    { press: "k", label: "inbox.key_previous" },
    { press: "x", label: "inbox.key_choose" },
    { press: "r", label: "inbox.key_reply" },
    { press: "n", label: "inbox.key_note" },
    { press: "a", label: "inbox.key_assign" },
    { press: "t", label: "inbox.key_transfer" },
    { press: "s", label: "inbox.key_snooze" },
    { press: "e", label: "inbox.key_resolve" },
    { press: "l", label: "inbox.key_tag" },
    { press: "u", label: "inbox.key_unread" },
    { press: "h", label: "inbox.key_scope" },
    { press: "mod+Enter", label: "inbox.key_send" },
    { press: "mod+Shift+Enter", label: "compose.key_resolve" },
    { press: "/", label: "compose.key_canned" },
    { press: "@", label: "compose.key_mention" },
  ],
}
