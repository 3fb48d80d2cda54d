import { computed, ref, type Ref } from "vue"

export const MOST = 200
/** The range between two rows of a list, whichever comes first. */
export function between<T extends { id: string }>(rows: readonly T[], a: string, b: string): string[] {
  const places = [rows.findIndex((row) => row.id === a), rows.findIndex((row) => row.id === b)].sort((one, two) => one - two)
  return places[0]! < 0 ? [b] : rows.slice(places[0], places[1]! + 1).map((row) => row.id)
}
/** Rows ticked in a list, a hundred or two at most; with Shift all up to the one ticked before. */
export function useSelection<T extends { id: string }>(rows: Ref<readonly T[]>) {
  const ids = ref<ReadonlySet<string>>(new Set())
  let last = ""
  function toggle(id: string, range: boolean): void {
    const next = new Set(ids.value)
    const on = !next.has(id)
    for (const one of range && last ? between(rows.value, last, id) : [id]) {
      if (on) next.add(one)
      else next.delete(one)
    }
    last = id
    ids.value = new Set([...next].slice(0, MOST))
  }
  const isAll = computed(() => rows.value.length > 0 && ids.value.size >= Math.min(MOST, rows.value.length) && rows.value.slice(0, MOST).every((row) => ids.value.has(row.id)))
  const clear = (): void => void (ids.value = new Set())
  const all = (): void => void (ids.value = isAll.value ? new Set() : new Set(rows.value.slice(0, MOST).map((row) => row.id)))
  const chosen = computed(() => rows.value.filter((row) => ids.value.has(row.id)))
  return { ids, chosen, toggle, clear, all, isAll }
}
