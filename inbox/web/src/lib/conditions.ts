/** Conditions of a routing rule: the form's fields, and the table that the hub keeps. */
import type { Conditions } from "@/api/admin"

export const KINDS = ["message", "email", "form", "call"] as const
export interface ConditionForm {
  channel: string[]
  kind: string[]
  text: string[]
  tag: string[]
  language: string[]
  our_number: string[]
  /** "utm_source=yandex" each. */
  source: string[]
  vip: "" | "yes" | "no"
}
const LISTS = ["channel", "kind", "text", "tag", "language", "our_number"] as const

const words = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : typeof value === "string" ? [value] : [])

export function toForm(conditions: Conditions = {}): ConditionForm {
  const source = typeof conditions.source === "object" && conditions.source !== null ? Object.entries(conditions.source) : []
  const lists = Object.fromEntries(LISTS.map((name) => [name, words(conditions[name])])) as Record<(typeof LISTS)[number], string[]>
  return { ...lists, source: source.flatMap(([key, value]) => words(value).map((one) => `${key}=${one}`)), vip: conditions.vip === true ? "yes" : conditions.vip === false ? "no" : "" }
}

export function toConditions(form: ConditionForm): Conditions {
  const found: Conditions = Object.fromEntries(LISTS.filter((name) => form[name].length).map((name) => [name, form[name]]))
  const source: Record<string, string[]> = {}
  for (const line of form.source) {
    const at = line.indexOf("=")
    const [key, value] = at < 0 ? ["utm_source", line.trim()] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]
    if (key && value) (source[key] ??= []).push(value)
  }
  if (Object.keys(source).length) found.source = source
  if (form.vip) found.vip = form.vip === "yes"
  return found
}

/** Positions after moving one up or down: those that change, in steps that leave room between. */
export function reordered(ids: readonly string[], id: string, by: number): string[] {
  const at = ids.indexOf(id)
  const to = at + by
  if (at < 0 || to < 0 || to >= ids.length) return [...ids]
  const rest = ids.filter((one) => one !== id)
  return [...rest.slice(0, to), id, ...rest.slice(to)]
}
