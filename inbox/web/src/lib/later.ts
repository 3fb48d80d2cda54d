import { onScopeDispose, shallowRef, watch, type Ref } from "vue"

/** After what was just changed has been drawn: first what one looks at, then what stands beside it. */
export function afterDrawing(work: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const frame = requestAnimationFrame(() => (timer = setTimeout(work)))
  return () => {
    cancelAnimationFrame(frame)
    clearTimeout(timer)
  }
}
/** The same value a drawing later. */
export function useLater<T>(value: Readonly<Ref<T>>): Readonly<Ref<T>> {
  const late = shallowRef(value.value)
  let off: (() => void) | undefined
  watch(value, (now) => {
    off?.()
    off = afterDrawing(() => (late.value = now))
  })
  onScopeDispose(() => off?.())
  return late
}
