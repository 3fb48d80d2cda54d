import { onBeforeUnmount, onMounted } from "vue"

/** `press`: "j", "?", "mod+k" (Ctrl, on a Mac Cmd), "mod+Enter". */
export interface Press { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean }

export function pressOf(event: Press): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  return event.ctrlKey || event.metaKey ? `mod+${key}` : key
}

// The same keys with the Russian layout on: an operator does not switch it to press j.
const RUSSIAN = "йцукенгшщзхъфывапролджэячсмитьбю"
const LATIN = "qwertyuiop[]asdfghjkl;'zxcvbnm,."

export function latin(press: string): string {
  const key = press.slice(-1)
  const at = RUSSIAN.indexOf(key)
  return at < 0 ? press : press.slice(0, -1) + LATIN[at]
}

export function isTyping(target: EventTarget | null): boolean {
  // A box just ticked takes no words.
  if (target instanceof HTMLInputElement && /^(checkbox|radio|button|submit)$/.test(target.type)) return false
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
}

/** Keys of the component that calls this, while it is there. Plain keys rest while somebody types or a dialog is open. */
export function useKeys(keys: Record<string, (event: KeyboardEvent) => void>): void {
  const handle = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return
    const press = latin(pressOf(event))
    const act = keys[press]
    const plain = !press.startsWith("mod+")
    if (!act || (plain && (isTyping(event.target) || document.querySelector('[role="dialog"],[role="menu"]')))) return
    event.preventDefault()
    act(event)
  }
  onMounted(() => window.addEventListener("keydown", handle))
  onBeforeUnmount(() => window.removeEventListener("keydown", handle))
}
