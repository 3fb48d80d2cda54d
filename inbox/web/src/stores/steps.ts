/** What is done with conversations beside answering: each shown at once, taken back when the hub refuses. */
import { defineStore } from "pinia"
import { reactive, shallowRef } from "vue"
import { call } from "@/api/client"
import type { components } from "@/api/schema"
import type { Conversation } from "@/api/types"
import { useConversations } from "./conversations"
import { useSession } from "./session"

export type Step = "assign" | "transfer" | "snooze" | "close" | "tag"
export type Bulk = components["schemas"]["Bulk"]
export type Done = components["schemas"]["inbox.api.workflow.Done"]
export interface Asked { step: Step; ids: string[] }

export const useSteps = defineStore("steps", () => {
  const store = useConversations()
  const session = useSession()
  /** The step whose particulars are being asked, in a dialog. */
  const asked = shallowRef<Asked | null>(null)
  /** Chosen in the list, for doing the same to all of them. */
  const chosen = reactive(new Set<string>())

  const patch = (id: string, shown: Partial<Conversation>, body: components["schemas"]["ConversationPatch"]): Promise<void> =>
    store.change(id, shown, () => call("patch", "/api/v1/conversations/{conversation_id}", { path: { conversation_id: id }, body }))

  function assign(id: string, to: { agent_id?: string; queue_id?: string; reason?: string }): Promise<void> {
    const shown = { assignee_id: to.agent_id, ...(to.queue_id ? { queue_id: to.queue_id } : {}) }
    return store.change(id, shown, () => call("post", "/api/v1/conversations/{conversation_id}/assign", { path: { conversation_id: id }, body: to }))
  }
  const take = (id: string): Promise<void> => assign(id, { agent_id: session.me ?? undefined })
  const close = (id: string, disposition?: string): Promise<void> =>
    patch(id, { status: "resolved", unread: 0 }, { status: "resolved", unread: 0, ...(disposition ? { disposition } : {}) })
  const reopen = (id: string): Promise<void> => patch(id, { status: "open" }, { status: "open" })
  const snooze = (id: string, until: string): Promise<void> => patch(id, { status: "snoozed", snoozed_until: until }, { status: "snoozed", snoozed_until: until })
  const tag = (id: string, tags: string[]): Promise<void> => patch(id, { tags }, { tags })
  const markUnread = (id: string): Promise<void> => patch(id, { unread: 1 }, { unread: 1 })
  const isMine = (id: string): boolean => [session.me, undefined, null].includes(store.rows.get(id)?.assignee_id)
  /** Opened and looked at: also the mentions in it. */
  const markRead = (id: string): Promise<void> =>
    store.change(id, isMine(id) ? { unread: 0 } : {}, () => call("post", "/api/v1/conversations/{conversation_id}/read", { path: { conversation_id: id } }))

  /** Answers with those that were left as they were, each with its reason. */
  async function bulk(body: Bulk): Promise<Done[]> {
    const failed: Done[] = []
    for (let from = 0; from < body.ids.length; from += 100) {
      const found = await call("post", "/api/v1/conversations/bulk", { body: { ...body, ids: body.ids.slice(from, from + 100) } })
      failed.push(...found.items.filter((one) => !one.ok))
    }
    return failed
  }
  return { asked, chosen, assign, take, close, reopen, snooze, tag, markUnread, markRead, bulk }
})
