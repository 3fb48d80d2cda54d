import { ref, watch } from "vue"

export const COLUMNS = ["phone", "email", "company", "owner", "tags", "source", "last", "created"] as const
export type Known = (typeof COLUMNS)[number]
/** One of ours, or `custom.<key>`: a field of the company's own. */
export type Column = Known | `custom.${string}`
const WIDTHS: Record<Known, string> = { phone: "9.5rem", email: "minmax(8rem,1.2fr)", company: "minmax(7rem,1fr)", owner: "minmax(7rem,1fr)", tags: "minmax(7rem,1.2fr)", source: "minmax(6rem,0.8fr)", last: "5.5rem", created: "5.5rem" }
const FIRST: readonly Column[] = ["phone", "email", "owner", "tags", "source", "last"]
const OWN = /^custom\.[a-z][a-z0-9_]{0,59}$/
const KEPT = "contacts.columns"

export const isOwn = (column: string): column is `custom.${string}` => OWN.test(column)
/** What was kept may be of an older page: what it does not know is left out. Own fields stand behind ours. */
export function toColumns(text: string | null): Column[] {
  if (text === null) return [...FIRST]
  const words = text.split(",")
  return [...COLUMNS.filter((column) => words.includes(column)), ...new Set(words.filter(isOwn))]
}
export const widthOf = (column: Column): string => (isOwn(column) ? "minmax(6rem,1fr)" : WIDTHS[column as Known])
export const template = (columns: readonly Column[]): string => ["minmax(13rem,1.6fr)", ...columns.map(widthOf)].join(" ")
/** As an export calls them; the name always leads. */
export function exported(columns: readonly Column[]): string {
  const names: Partial<Record<string, string>> = { last: "last_at", created: "created_at" }
  return ["name", ...columns.map((column) => names[column] ?? column)].join(",")
}

const chosen = ref<Column[]>(toColumns(localStorage.getItem(KEPT)))
watch(chosen, (now) => localStorage.setItem(KEPT, now.join(",")))
/** The columns of the list of contacts, kept on this device. */
export function useColumns() {
  function toggle(column: Column): void {
    const next = chosen.value.includes(column) ? chosen.value.filter((one) => one !== column) : [...chosen.value, column]
    chosen.value = toColumns(next.join(","))
  }
  return { chosen, toggle }
}
