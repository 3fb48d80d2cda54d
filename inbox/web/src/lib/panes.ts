/** Widths of the list and of the card, in pixels, kept on this device. */
import { ref, watch } from "vue"

export interface Panes { list: number; card: number; folded: boolean }
export const LIMITS = { list: [260, 560], card: [240, 520] } as const
export const FIRST: Panes = { list: 320, card: 300, folded: false }
const KEPT = "inbox.panes"
const LEAST_MIDDLE = 380

/** Within what is bearable: what was kept may come from another screen, or not be ours at all. */
export function fitting(given: unknown, room: number): Panes {
  const asked = typeof given === "object" && given !== null ? (given as Partial<Record<keyof Panes, unknown>>) : {}
  const px = (name: "list" | "card"): number => {
    const [least, most] = LIMITS[name]
    const value = Number(asked[name])
    return Number.isFinite(value) && value > 0 ? Math.round(Math.min(most, Math.max(least, value))) : FIRST[name]
  }
  const panes = { list: px("list"), card: px("card"), folded: asked.folded === true }
  const spare = room - (panes.folded ? 0 : panes.card) - LEAST_MIDDLE
  return { ...panes, list: Math.max(LIMITS.list[0], Math.min(panes.list, spare)) }
}
function read(): unknown {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "null")
  } catch {
    return null
  }
}
export function usePanes() {
  const panes = ref(fitting(read(), Infinity))
  watch(panes, (now) => localStorage.setItem(KEPT, JSON.stringify(now)), { deep: true })
  return panes
}
