/** Tables of clients on their way in: pure rules of the page. */
import type { Field, ImportJob } from "@/api/records"

export const TARGETS = ["name", "last_name", "first_name", "middle_name", "phone", "email", "telegram_username", "company", "owner", "tags", "birthday", "source", "language", "timezone", "vip", "kind", "external"] as const
/** Several columns may lead there. */
const MANY = new Set(["phone", "email", "telegram_username", "external", "tags"])
const ENOUGH = new Set(["name", "first_name", "last_name", "phone", "email", "telegram_username", "external"])

export type Mapping = Record<string, string>
/** What keeps a mapping from being used: `twice`, with the field, or `nothing` by which a card would be known. */
export function flawOf(mapping: Mapping): { kind: "twice"; target: string } | { kind: "nothing" } | null {
  const targets = Object.values(mapping).filter(Boolean)
  const twice = targets.find((target, at) => !MANY.has(target) && targets.indexOf(target) !== at)
  if (twice) return { kind: "twice", target: twice }
  return targets.some((target) => ENOUGH.has(target)) ? null : { kind: "nothing" }
}
/** Columns that lead somewhere, as the hub takes them. */
export const usedOf = (mapping: Mapping): Mapping => Object.fromEntries(Object.entries(mapping).filter(([, target]) => target))
/** A few different values of a column, so that one sees what it is. */
export function samplesOf(job: Pick<ImportJob, "columns" | "head">, column: string, most = 3): string[] {
  const at = (job.columns ?? []).indexOf(column)
  return [...new Set((job.head ?? []).map((row) => row[at] ?? "").filter(Boolean))].slice(0, most)
}
export const targetsFor = (fields: readonly Field[]): string[] => [...TARGETS, ...fields.map((field) => `custom.${field.key}`)]
/** How much is done, 0 to 100. */
export const percentOf = (job: Pick<ImportJob, "rows" | "done_rows" | "state">): number => (job.state === "done" ? 100 : job.rows ? Math.floor(((job.done_rows ?? 0) / job.rows) * 100) : 0)
export const isGoing = (job: Pick<ImportJob, "state">): boolean => job.state === "waiting" || job.state === "running"
