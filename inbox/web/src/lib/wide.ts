import { onScopeDispose, readonly, ref } from "vue"

/** Whether there is room for three panes side by side. */
export function useWide() {
  const query = matchMedia("(min-width: 1200px)")
  const wide = ref(query.matches)
  const told = (event: MediaQueryListEvent): void => void (wide.value = event.matches)
  query.addEventListener("change", told)
  onScopeDispose(() => query.removeEventListener("change", told))
  return readonly(wide)
}
