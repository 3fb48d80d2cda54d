import { computed, shallowRef, type ComputedRef, type InjectionKey } from "vue"

const KEPT = "card.folded"
const folded = shallowRef<ReadonlySet<string>>(new Set((localStorage.getItem(KEPT) ?? "").split(",").filter(Boolean)))

/** Which sections of a card are shut, on this device: the same in the inbox and on the page of a contact. */
export function useFold(name: () => string): { open: ComputedRef<boolean>; toggle: () => void } {
  const open = computed(() => !folded.value.has(name()))
  function toggle(): void {
    const next = new Set(folded.value)
    if (!next.delete(name())) next.add(name())
    folded.value = next
    localStorage.setItem(KEPT, [...next].join(","))
  }
  return { open, toggle }
}
/** Sections one below the other without frames, as in the narrow pane of the inbox. */
export const FLAT: InjectionKey<boolean> = Symbol("flat sections")
