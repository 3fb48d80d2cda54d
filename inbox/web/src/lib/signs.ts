import { useI18n } from "vue-i18n"
import { useDrafts } from "@/stores/drafts"
import { useCopresence } from "@/stores/copresence"
import { useAgents } from "@/stores/directory"
import { useTransfers } from "@/stores/transfers"

/** What goes on in a conversation now, for its row in the list. */
export function useSigns() {
  const { t } = useI18n()
  const copresence = useCopresence()
  const transfers = useTransfers()
  const agents = useAgents()
  const drafts = useDrafts()
  const first = (ids: string[]): string => (agents.nameOf(ids[0]) || t("inbox.colleague")).split(" ")[0]!

  return (id: string) => {
    const seen = copresence.seen.get(id)
    return {
      typing: seen?.typing.length ? t("inbox.typing_one", { name: first(seen.typing) }) : undefined,
      looking: seen?.agents.length ? t("inbox.is_looking", { names: seen.agents.map((one) => agents.nameOf(one)).join(", ") }) : undefined,
      draft: drafts.has(id) ? drafts.textOf(id).trim() : undefined,
      offered: !!transfers.ofConversation(id),
    }
  }
}
