/** Whom work may be handed to: who is there, how busy; and the outcomes a conversation may be closed with. */
import { defineStore } from "pinia"
import { shallowRef } from "vue"
import { call } from "@/api/client"
import type { components } from "@/api/schema"
import type { Disposition } from "@/api/records"

export type Colleague = components["schemas"]["Colleague"]

export const useColleagues = defineStore("colleagues", () => {
  const items = shallowRef<Colleague[]>([])
  const outcomes = shallowRef<Disposition[] | null>(null)

  async function load(): Promise<void> {
    items.value = (await call("get", "/api/v1/colleagues", { query: { limit: 200 } })).items
  }
  async function loadOutcomes(): Promise<Disposition[]> {
    const found = await call("get", "/api/v1/dispositions", { query: { object: "conversation", active: true, limit: 200 } })
    outcomes.value = found.items
    return found.items
  }
  return { items, outcomes, load, loadOutcomes }
})
