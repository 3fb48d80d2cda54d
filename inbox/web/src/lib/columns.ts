import { ref, watch } from "vue"

export const COLUMNS = ["phone", "email", "owner", "tags", "source", "last", "created"] as const
export type Column = (typeof COLUMNS)[number]
const WIDTHS: Record<Column, string> = { phone: "9.5rem", email: "minmax(8rem,1.2fr)", owner: "minmax(7rem,1fr)", tags: "minmax(7rem,1.2fr)", source: "minmax(6rem,0.8fr)", last: "5.5rem", created: "5.5rem" }
const FIRST: readonly Column[] = ["phone", "email", "owner", "tags", "source", "last"]
const KEPT = "contacts.columns"

export const isColumn = (word: unknown): word is Column => (COLUMNS as readonly unknown[]).includes(word)
/** What was kept may be of an older page: what it does not know is left out. */
export function toColumns(text: string | null): Column[] {
  const words: unknown[] = (text ?? "").split(",")
  return text === null ? [...FIRST] : COLUMNS.filter((column) => words.includes(column))
}
export const template = (columns: readonly Column[]): string => ["minmax(13rem,1.6fr)", ...columns.map((column) => WIDTHS[column])].join(" ")

const chosen = ref<Column[]>(toColumns(localStorage.getItem(KEPT)))
watch(chosen, (now) => localStorage.setItem(KEPT, now.join(",")))
/** The columns of the list of contacts, kept on this device. */
export function useColumns() {
  const toggle = (column: Column): void => void (chosen.value = COLUMNS.filter((one) => (one === column ? !chosen.value.includes(one) : chosen.value.includes(one))))
  return { chosen, toggle }
}
