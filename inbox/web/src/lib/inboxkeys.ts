import { useDoing } from "@/lib/doing"
import { useKeys } from "@/lib/keys"
import { useTrouble } from "@/lib/trouble"
import { useConversations } from "@/stores/conversations"
import { useSteps, type Step } from "@/stores/steps"
import { useTransfers } from "@/stores/transfers"

/** Every step by a key: for what is chosen in the list, else for the conversation that is open. */
export function useInboxKeys(at: { id: () => string | undefined; step: (by: number) => void }): void {
  const steps = useSteps()
  const store = useConversations()
  const transfers = useTransfers()
  const doing = useDoing()
  const { tried } = useTrouble()
  const targets = (): string[] => (steps.chosen.size ? [...steps.chosen] : at.id() ? [at.id()!] : [])
  const ask = (step: Step): void => {
    const ids = targets()
    const one = ids.length === 1 ? store.rows.get(ids[0]!) : undefined
    if (!ids.length || (step === "transfer" && (!one || one.status === "resolved" || transfers.ofConversation(one.id)))) return
    steps.asked = { step, ids }
  }
  function end(): void {
    const ids = targets()
    const one = ids.length === 1 ? store.rows.get(ids[0]!) : undefined
    if (one?.status === "resolved") void tried(() => steps.reopen(one.id))
    else if (ids.length) void doing.askClose(ids)
  }
  function choose(): void {
    const id = at.id()
    if (id && !steps.chosen.delete(id)) steps.chosen.add(id)
  }
  const unread = (): void => targets().slice(0, 1).forEach((id) => void tried(() => steps.markUnread(id)))
  useKeys({
    j: () => at.step(1), k: () => at.step(-1), x: choose, e: end, u: unread,
    a: () => ask("assign"), t: () => ask("transfer"), s: () => ask("snooze"), l: () => ask("tag"),
    Escape: () => steps.chosen.clear(),
  })
}
