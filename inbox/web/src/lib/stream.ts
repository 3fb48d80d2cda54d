import { computed, onScopeDispose, ref } from "vue"
import { call } from "@/api/client"
import { firstUnread, grouped, ordered, type Row } from "@/lib/grouping"
import { afterDrawing } from "@/lib/later"
import { dayOf } from "@/lib/time"
import { useWindow } from "@/lib/window"
import { useInteractions } from "@/stores/interactions"

const FIRST = 20
const DRAWN = 60
interface Asked { conversation: string; contact: string; scope: "one" | "all"; at?: string; day?: string; unread: number }

const days = new Map<string, string>()
/** The day of a moment, asked five thousand times a drawing. */
function quickDay(at: string): string {
  const hour = at.slice(0, 13)
  const known = days.get(hour)
  if (known) return known
  const day = dayOf(at)
  if (days.size > 20_000) days.clear()
  // Where the zone is off by whole hours no day begins within one.
  if (new Date(at).getMinutes() === Number(at.slice(14, 16))) days.set(hour, day)
  return day
}

/** The items to show: of this conversation, live; or of a part of it or of everything of the client, by pages both ways. */
export function useStream(asked: Asked) {
  const store = useInteractions()
  const window = useWindow()
  const windowed = ref(false)
  /** How many of the newest are drawn: at first what is in sight, then a page, then more as one scrolls up. A long conversation opens as fast as a short one. */
  const drawn = ref(FIRST)
  let off: (() => void) | undefined
  onScopeDispose(() => off?.())
  const fresh = ref<string>()
  const thread = computed(() => store.threadOf(asked.conversation))
  const part = computed(() => (windowed.value ? window.part : { ...thread.value, newer: null }))
  const live = computed(() => !windowed.value || !window.part.newer)
  const all = computed(() => {
    if (!windowed.value) return ordered(thread.value.items.values())
    // At the end what is being sent from here is there, too.
    const sending = window.part.newer ? [] : [...thread.value.items.values()].filter((item) => item.pending || window.part.items.has(item.id) || item.at > last.value)
    return ordered(new Map([...window.part.items.values(), ...sending].map((item) => [item.id, item])).values())
  })
  const last = computed(() => [...window.part.items.values()].reduce((most, item) => (item.at > most ? item.at : most), ""))
  let before: ReadonlyMap<string, Row> = new Map()
  const rows = computed(() => {
    const shown = windowed.value ? all.value : all.value.slice(-drawn.value)
    const found = grouped(shown, quickDay, fresh.value, before)
    before = new Map(found.map((row) => [row.item.id, row]))
    return found
  })
  const more = computed(() => !!part.value.older || (!windowed.value && all.value.length > drawn.value))

  async function moment(): Promise<string | undefined> {
    if (asked.at) return (await call("get", "/api/v1/interactions/{interaction_id}", { path: { interaction_id: asked.at } }).catch(() => null))?.at
    return asked.day ? new Date(`${asked.day}T00:00:00`).toISOString() : undefined
  }
  async function open(): Promise<void> {
    off?.()
    drawn.value = FIRST
    fresh.value = undefined
    const known = asked.at ? store.threadOf(asked.conversation).items.has(asked.at) : false
    windowed.value = asked.scope === "all" || !!asked.day || (!!asked.at && !known)
    if (windowed.value) await window.open(asked.scope === "all" ? { contact: asked.contact } : { conversation: asked.conversation }, await moment())
    else if (!thread.value.loaded) await store.load(asked.conversation)
    if (known && asked.at) drawn.value = Math.max(DRAWN, all.value.length - all.value.findIndex((item) => item.id === asked.at) + DRAWN / 2)
    off = afterDrawing(() => (drawn.value = Math.max(drawn.value, DRAWN)))
    if (asked.unread && !asked.at) fresh.value = firstUnread(all.value, asked.unread)
  }
  async function earlier(): Promise<void> {
    if (windowed.value) return window.earlier()
    if (all.value.length <= drawn.value) await store.load(asked.conversation)
    drawn.value += DRAWN
  }
  return { rows, part, live, more, open, earlier, later: window.later }
}
