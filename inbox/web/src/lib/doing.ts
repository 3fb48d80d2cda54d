import { useToast } from "@nuxt/ui/composables"
import { useI18n } from "vue-i18n"
import { useColleagues } from "@/stores/colleagues"
import { useConversations } from "@/stores/conversations"
import { useAgents, useQueues } from "@/stores/directory"
import { useSteps, type Bulk } from "@/stores/steps"
import { useTransfers } from "@/stores/transfers"
import { useTrouble } from "./trouble"

const TOLD = 6

/** Steps as an operator takes them: one conversation or many, what was done is told, what was refused is told by name. */
export function useDoing() {
  const { t } = useI18n()
  const toast = useToast()
  const steps = useSteps()
  const store = useConversations()
  const agents = useAgents()
  const queues = useQueues()
  const colleagues = useColleagues()
  const { tried } = useTrouble()
  const nameOf = (id: string): string => store.rows.get(id)?.contact_name || t("inbox.unnamed")
  const said = (title: string, undo?: () => Promise<unknown>): void =>
    void toast.add({ title, icon: "i-lucide-check", duration: undo ? 8000 : 3000, ...(undo ? { actions: [{ label: t("work.undo"), color: "neutral", variant: "outline", onClick: () => void undo() }] } : {}) })

  async function many(body: Bulk): Promise<void> {
    let failed: Awaited<ReturnType<typeof steps.bulk>> = []
    if (!(await tried(async () => (failed = await steps.bulk(body))))) return
    steps.chosen.clear()
    for (const one of failed) steps.chosen.add(one.id)
    if (failed.length < body.ids.length) said(t("inbox.bulk_done", body.ids.length - failed.length))
    if (!failed.length) return
    const lines = failed.slice(0, TOLD).map((one) => `${nameOf(one.id)}: ${one.error}`)
    toast.add({ title: t("inbox.bulk_failed", failed.length), description: [...lines, ...(failed.length > TOLD ? ["…"] : [])].join("\n"), color: "error", icon: "i-lucide-circle-alert", duration: 20_000, ui: { description: "whitespace-pre-line" } })
  }
  const both = (ids: string[], one: (id: string) => Promise<unknown>, body: Omit<Bulk, "ids">): Promise<unknown> => (ids.length === 1 && !steps.chosen.size ? tried(() => one(ids[0]!)) : many({ ids, ...body }))

  const assign = (ids: string[], to: { agent_id?: string; queue_id?: string }): Promise<unknown> =>
    both(ids, async (id) => {
      const before = store.rows.get(id)?.assignee_id
      await steps.assign(id, to)
      said(t("inbox.handed", { name: to.agent_id ? agents.nameOf(to.agent_id) : queues.nameOf(to.queue_id) }), before && before !== to.agent_id ? () => tried(() => steps.assign(id, { agent_id: before })) : undefined)
    }, { action: "assign", ...to })
  const snooze = (ids: string[], until: string): Promise<unknown> =>
    both(ids, async (id) => {
      await steps.snooze(id, until)
      said(t("inbox.snoozed"), () => tried(() => steps.reopen(id)))
    }, { action: "snooze", snoozed_until: until })
  const close = (ids: string[], disposition?: string): Promise<unknown> =>
    both(ids, async (id) => {
      await steps.close(id, disposition)
      said(t("inbox.closed"), () => tried(() => steps.reopen(id)))
    }, { action: "close", ...(disposition ? { disposition } : {}) })
  const tag = (ids: string[], word: string): Promise<unknown> =>
    both(ids, (id) => steps.tag(id, [...new Set([...(store.rows.get(id)?.tags ?? []), word])]), { action: "tag", tag: word })
  const read = (ids: string[]): Promise<unknown> => many({ ids, action: "read" })
  const transfer = (id: string, agent: string, reason: string): Promise<unknown> =>
    tried(async () => {
      await useTransfers().offer(id, agent, reason)
      said(t("inbox.offered", { name: agents.nameOf(agent) }))
    })
  /** At once where there is no outcome to choose. */
  async function askClose(ids: string[]): Promise<void> {
    if (!(await tried(() => colleagues.loadOutcomes()))) return
    if (colleagues.outcomes?.length) steps.asked = { step: "close", ids }
    else await close(ids)
  }
  return { assign, snooze, close, tag, read, transfer, askClose }
}
