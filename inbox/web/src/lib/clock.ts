import { onScopeDispose, readonly, ref } from "vue"

const now = ref(Date.now())
let watchers = 0
let timer: ReturnType<typeof setInterval> | undefined

/** The present moment, renewed each second while somebody looks. One timer for the whole page. */
export function useNow(): Readonly<typeof now> {
  if (watchers++ === 0) {
    now.value = Date.now()
    timer = setInterval(() => (now.value = Date.now()), 1000)
  }
  onScopeDispose(() => {
    if (--watchers === 0) clearInterval(timer)
  })
  return readonly(now)
}
