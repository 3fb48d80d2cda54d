import { nextTick, type Ref } from "vue"

const NEAR_PX = 120

/** Keeps a box where one reads, whatever grows above: the row that was in sight stays at its place. */
export function useHold(box: Readonly<Ref<HTMLElement | null>>) {
  const topOf = (el: Element): number => el.getBoundingClientRect().top
  async function hold(work: () => Promise<unknown> | void): Promise<void> {
    const el = box.value
    const rows = el ? [...el.querySelectorAll("[data-row]")] : []
    const edge = el ? topOf(el) : 0
    const row = rows.find((one) => one.getBoundingClientRect().bottom > edge)
    const before = row ? topOf(row) : 0
    await work()
    await nextTick()
    if (el && row?.isConnected) el.scrollTop += topOf(row) - before
  }
  const isLow = (): boolean => !!box.value && box.value.scrollHeight - box.value.scrollTop - box.value.clientHeight < NEAR_PX
  const isHigh = (): boolean => !!box.value && box.value.scrollTop < NEAR_PX * 3
  function toEnd(): void {
    if (box.value) box.value.scrollTop = box.value.scrollHeight
  }
  /** False: it is not drawn. Twice, as rows take their real height only when they come into sight. */
  function toRow(id: string): boolean {
    const row = box.value?.querySelector(`[data-row="${CSS.escape(id)}"]`)
    row?.scrollIntoView({ block: "center" })
    if (row) requestAnimationFrame(() => row.scrollIntoView({ block: "center" }))
    return !!row
  }
  return { hold, isLow, isHigh, toEnd, toRow }
}
