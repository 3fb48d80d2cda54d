/** Small lists that every view needs whole: colleagues, channels, queues. */
import { defineStore } from "pinia"
import { shallowReactive } from "vue"
import { call } from "@/api/client"
import type { Agent, Channel, Queue } from "@/api/types"
import { listen, onReset } from "@/live/socket"

function byId<T extends { id: string }>(read: () => Promise<{ items: T[] }>) {
  const rows = shallowReactive(new Map<string, T>())
  async function load(): Promise<void> {
    const found = await read()
    const ids = new Set(found.items.map((row) => row.id))
    for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id)
    for (const row of found.items) rows.set(row.id, row)
  }
  onReset(load)
  const nameOf = (id: string | null | undefined): string => (rows.get(id ?? "") as { name?: string } | undefined)?.name ?? ""
  return { rows, load, nameOf }
}

export const useAgents = defineStore("agents", () => {
  const list = byId<Agent>(() => call("get", "/api/v1/agents", { query: { limit: 200 } }))
  listen("agent.presence", ({ data }) => {
    const known = list.rows.get(data.agent_id as string)
    if (known) list.rows.set(known.id, { ...known, presence: data.state as string, presence_reason: (data.reason as string) ?? "" })
  })
  return list
})
export const useChannels = defineStore("channels", () => {
  const list = byId<Channel>(() => call("get", "/api/v1/channels", { query: { limit: 200 } }))
  listen("channel.", () => void list.load().catch(() => undefined))
  return list
})
export const useQueues = defineStore("queues", () => byId<Queue>(() => call("get", "/api/v1/queues", { query: { limit: 200 } })))
