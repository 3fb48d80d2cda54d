import type { components } from "./schema"

type Schemas = components["schemas"]
export type Entry = Schemas["EntryItem"]
export type EntryView = Omit<Schemas["EntryView"], "request"> & { request: Record<string, unknown> }
export type ChannelItem = Schemas["ChannelItem"]
export type Connector = Omit<Schemas["ConnectorItem"], "settings"> & { settings: SettingsSchema }
export type Refusal = Omit<Schemas["RefusalView"], "request"> & { request: Record<string, unknown> }
export type Verdict = Schemas["Verdict"]
export type AgentItem = Omit<Schemas["AgentItem"], "capacity"> & { capacity: Record<string, number> }
export type QueueItem = Omit<Schemas["QueueItem"], "hours" | "holidays"> & { hours?: Hours; holidays?: Hours }
export type RuleItem = Omit<Schemas["RuleItem"], "conditions"> & { conditions?: Conditions }
export type Rehearsal = Schemas["Rehearsal"]
export type Token = Schemas["TokenItem"]
export type AuditItem = Omit<Schemas["AuditItem"], "before" | "after"> & { before: Record<string, unknown>; after: Record<string, unknown> }
export type Canned = Schemas["CannedItem"]
export type Disposition = Schemas["DispositionItem"]
export type Field = Schemas["FieldItem"]
export type Profile = Schemas["Profile"]
export type WebSession = Schemas["SessionItem"]

/** Weekday "1".."7", or a date -> open spans; an empty list: closed. */
export type Hours = Record<string, [string, string][]>
export type Conditions = Record<string, unknown>
export type SettingValue = string | number | boolean | null

/** One setting as the connector's JSON schema has it. */
export interface SettingSchema {
  type?: "string" | "integer" | "number" | "boolean"
  title?: string
  description?: string
  default?: SettingValue
  enum?: string[]
  writeOnly?: boolean
  pattern?: string
  minimum?: number
  maximum?: number
  maxLength?: number
}
export interface SettingsSchema { properties: Record<string, SettingSchema>; required?: string[] }

/** The document leaves tables open (`Record<string, never>`); what the page puts there is checked by the hub. */
export const table = (value: object): Record<string, never> => value as Record<string, never>
