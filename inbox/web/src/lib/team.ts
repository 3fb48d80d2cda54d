import { computed } from "vue"
import { useI18n } from "vue-i18n"
import type { Option } from "@/lib/options"
import { useColleagues } from "@/stores/colleagues"
import { useTrouble } from "./trouble"

/** Colleagues as choices: those who are there first, the least busy of them before the others. */
export function usePeople() {
  const { t } = useI18n()
  const store = useColleagues()
  const { tried } = useTrouble()
  const options = computed<Option[]>(() =>
    [...store.items]
      .sort((a, b) => Number(b.online) - Number(a.online) || (a.open ?? 0) - (b.open ?? 0) || a.name.localeCompare(b.name))
      .map((one) => ({
        id: one.id,
        label: one.name,
        dot: one.online ? "bg-(--hub-ok)" : one.state === "offline" ? "bg-(--ui-border-accented)" : "bg-(--hub-soon)",
        hint: one.absent_until ? t("inbox.absent") : t("inbox.load", { state: t(`app.presence_${one.state}`), n: one.open }),
      })),
  )
  return { options, load: () => tried(() => store.load()) }
}
