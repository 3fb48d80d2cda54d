/** Conversations on offer: to me, to be accepted or returned, and by me, until somebody answers. */
import { defineStore } from "pinia"
import { computed, shallowReactive } from "vue"
import { call } from "@/api/client"
import type { components } from "@/api/schema"
import { listen, onReset } from "@/live/socket"
import { useConversations } from "./conversations"
import { useSession } from "./session"

export type Transfer = components["schemas"]["TransferItem"]

export const useTransfers = defineStore("transfers", () => {
  const session = useSession()
  const rows = shallowReactive(new Map<string, Transfer>())

  /** Answered: an older answer of the hub must not bring them back. */
  const ended = new Set<string>()

  function keep(one: Transfer): void {
    if (one.state === "offered") return void rows.set(one.id, one)
    rows.delete(one.id)
    ended.add(one.id)
  }
  async function load(): Promise<void> {
    if (!session.me) return
    const ask = (side: { to?: string; from?: string }) => call("get", "/api/v1/transfers", { query: { ...side, state: "offered", limit: 200 } })
    const before = [...rows.keys()]
    const [mine, given] = await Promise.all([ask({ to: "me" }), ask({ from: "me" })])
    const found = [...mine.items, ...given.items]
    // What a frame told meanwhile is newer than this answer.
    for (const id of before) if (!found.some((one) => one.id === id)) rows.delete(id)
    for (const one of found) if (!ended.has(one.id)) keep(one)
  }
  /** Of a conversation just opened, also one that others offered each other. */
  async function look(conversation: string): Promise<void> {
    const found = await call("get", "/api/v1/transfers", { query: { conversation, state: "offered" } })
    found.items.forEach(keep)
  }
  async function offer(conversation: string, agent: string, reason: string): Promise<void> {
    keep(await call("post", "/api/v1/conversations/{conversation_id}/transfer", { path: { conversation_id: conversation }, body: { agent_id: agent, reason } }))
  }
  const path = (id: string) => ({ path: { transfer_id: id } })
  async function accept(id: string): Promise<void> {
    const one = await call("post", "/api/v1/transfers/{transfer_id}/accept", path(id))
    keep(one)
    await useConversations().fetchOne(one.conversation_id)
  }
  async function giveBack(id: string, answer: string): Promise<void> {
    keep(await call("post", "/api/v1/transfers/{transfer_id}/return", { ...path(id), body: { answer } }))
  }
  async function withdraw(id: string): Promise<void> {
    keep(await call("post", "/api/v1/transfers/{transfer_id}/withdraw", path(id)))
  }
  listen("transfer.", ({ data }) => keep(data.transfer as Transfer))
  onReset(load)

  const toMe = computed(() => [...rows.values()].filter((one) => one.to_agent_id === session.me).sort((a, b) => (a.at < b.at ? -1 : 1)))
  const ofConversation = (id: string): Transfer | undefined => [...rows.values()].find((one) => one.conversation_id === id)
  return { rows, toMe, ofConversation, load, look, offer, accept, giveBack, withdraw }
})
