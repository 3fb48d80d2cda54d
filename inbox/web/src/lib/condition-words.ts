import { useI18n } from "vue-i18n"
import { useAgents, useChannels } from "@/stores/directory"
import { dayText } from "./card-words"
import { useFields } from "./fields"

/** Conditions of a segment as people read them. */
export function useConditions() {
  const { t, te, locale } = useI18n()
  const agents = useAgents()
  const channels = useChannels()
  const { all } = useFields()

  const month = (number: string): string => (number === "0" ? t("contacts.month_now") : new Intl.DateTimeFormat(locale.value, { month: "long" }).format(new Date(2024, Number(number) - 1, 15)))
  const purpose = (name: string): string => (te(`contacts.purpose_${name}`) ? t(`contacts.purpose_${name}`) : name)
  function consent(value: string): string {
    const at = value.lastIndexOf(":")
    return `${purpose(value.slice(0, at))}: ${t(`contacts.said_${value.slice(at + 1)}`)}`
  }
  const yes = (value: string, name: string): string => t(`contacts.${name}_${value === "true" ? "yes" : "no"}`)
  const words: Record<string, (value: string) => string> = {
    q: (value) => `«${value}»`,
    owner: (value) => (value === "me" || value === "none" ? t(`contacts.owner_${value}`) : agents.nameOf(value) || t("contacts.former_agent")),
    tag: (value) => t("contacts.is_tag", { tag: value }), source: (value) => t("contacts.is_source", { source: value }),
    type: (value) => t(`contacts.type_${value}`), no_contact_since: (value) => t("contacts.silent_days", { n: value }, Number(value)),
    heard_since: (value) => t("contacts.is_since", { day: dayText(value, locale.value) }), heard_before: (value) => t("contacts.is_before", { day: dayText(value, locale.value) }),
    consent, open_task: (value) => yes(value, "task"), channel: (value) => t("contacts.is_channel", { name: channels.nameOf(value) || t("contacts.former_channel") }),
    birthday_month: (value) => t("contacts.is_birthday", { month: month(value) }), vip: (value) => yes(value, "vip"),
  }
  function textOf(key: string, value: string): string {
    if (!key.startsWith("custom.")) return words[key]?.(value) ?? value
    const field = all.value.find((one) => one.key === key.slice(7))
    const said = field?.type === "flag" ? t(value === "true" ? "work.yes" : "work.no") : value
    return `${field?.label ?? key.slice(7)}: ${said}`
  }
  return { textOf, month, purpose }
}
