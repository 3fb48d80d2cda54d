import { computed } from "vue"
import { useI18n } from "vue-i18n"
import type { Identity } from "@/api/records"
import { useFields } from "@/lib/fields"
import { useAgents } from "@/stores/directory"
import { dayText, languageText } from "./card-words"

/** How the parts of a card are called and read, for people. `companies`: names by id. */
export function useParts(companies: () => Record<string, string>) {
  const { t, locale } = useI18n()
  const agents = useAgents()
  const { all } = useFields()
  const fields = computed(() => new Map(all.value.map((one) => [one.key, one])))

  function labelOf(part: string): string {
    if (part.startsWith("custom:")) return fields.value.get(part.slice(7))?.label ?? part.slice(7)
    const known: Record<string, string> = { name: t("contacts.column_name"), owner_id: t("contacts.column_owner"), company_id: t("contacts.company"), birthday: t("contacts.birthday"), language: t("contacts.language"), timezone: t("contacts.timezone"), vip: "VIP" }
    return known[part] ?? part
  }
  function textOf(part: string, value: unknown): string {
    if (value === undefined || value === null || value === "") return ""
    if (part === "owner_id") return agents.nameOf(value as string) || t("contacts.former_agent")
    if (part === "company_id") return companies()[value as string] ?? t("contacts.company")
    if (typeof value === "boolean") return t(value ? "work.yes" : "work.no")
    if (part === "language") return languageText(String(value), locale.value)
    if (part === "birthday" || fields.value.get(part.slice(7))?.type === "date") return dayText(String(value), locale.value)
    return typeof value === "object" ? JSON.stringify(value) : String(value)
  }
  return { labelOf, textOf }
}
/** How the kind of an address is called. */
export function useKinds() {
  const { t, te } = useI18n()
  const kindOf = (kind: string): string => (te(`contacts.kind_${kind}`) ? t(`contacts.kind_${kind}`) : kind)
  const addressOf = (one: Identity): string => (one.kind === "visitor" ? kindOf(one.kind) : one.kind === "phone" || one.kind === "email" ? one.value : `${kindOf(one.kind)}: ${one.value}`)
  return { kindOf, addressOf }
}
