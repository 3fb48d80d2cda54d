/** A form drawn from a connector's JSON schema: what a person types, and what is sent of it. */
import type { SettingSchema, SettingsSchema, SettingValue } from "@/api/admin"

export type FormValues = Record<string, string | boolean>
const FURTHER = new Set(["region", "timezone", "silent_after_s"])

/** What one has to think about, and what may stay as it is. */
export function grouped(schema: SettingsSchema): { main: string[]; further: string[] } {
  const names = Object.keys(schema.properties)
  const isFurther = (name: string): boolean => {
    const one = schema.properties[name]!
    return FURTHER.has(name) || (!schema.required?.includes(name) && (one.type === "integer" || one.type === "number") && one.default !== undefined)
  }
  return { main: names.filter((name) => !isFurther(name)), further: names.filter(isFurther) }
}

/** Whether the provider has to be told our address: not where we fetch ourselves. */
export function takesHook(connector: { fetches: boolean; attaches: boolean }, kept: Record<string, unknown> | null): boolean {
  return !connector.fetches || (connector.attaches && kept?.mode !== "polling")
}

/** Secrets start empty: what is set is never shown, and an empty field leaves it as it is. */
export function filled(schema: SettingsSchema, kept: Record<string, unknown> = {}): FormValues {
  return Object.fromEntries(Object.entries(schema.properties).map(([name, one]) => {
    const value = one.writeOnly ? "" : (kept[name] ?? one.default)
    return [name, one.type === "boolean" ? value === true : value === null || value === undefined ? "" : String(value)]
  }))
}

function valueOf(one: SettingSchema, typed: string | boolean): SettingValue {
  if (typeof typed === "boolean") return typed
  if (one.type === "integer" || one.type === "number") return typed.trim() === "" ? (one.default ?? null) : Number(typed)
  return one.writeOnly ? typed : typed.trim()
}

/** What differs from what the form started with. */
export function changed(schema: SettingsSchema, start: FormValues, now: FormValues): Record<string, SettingValue> {
  const names = Object.keys(schema.properties).filter((name) => now[name] !== start[name])
  return Object.fromEntries(names.map((name) => [name, valueOf(schema.properties[name]!, now[name]!)]))
}
