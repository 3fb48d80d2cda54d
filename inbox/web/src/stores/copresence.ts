/** Who looks at a conversation now and who types in it: said by every page, kept nowhere. */
import { defineStore } from "pinia"
import { shallowReactive, shallowRef, watch } from "vue"
import { linkState, listen, onReset, say } from "@/live/socket"
import { useSession } from "./session"

const VIEWING_MS = 8_000
const TYPING_MS = 3_000
interface Seen { agents: string[]; typing: string[] }

export const useCopresence = defineStore("copresence", () => {
  const session = useSession()
  const seen = shallowReactive(new Map<string, Seen>())
  /** What this page shows. */
  const open = shallowRef<string | null>(null)
  let typed = 0
  let beat: ReturnType<typeof setInterval> | undefined

  const others = (ids: string[]): string[] => ids.filter((id) => id !== session.me)
  listen("presence.viewing", ({ data }) => {
    const [agents, typing] = [others(data.agents as string[]), others(data.typing as string[])]
    if (agents.length) seen.set(data.conversation_id as string, { agents, typing })
    else seen.delete(data.conversation_id as string)
  })
  onReset(async () => seen.clear())

  const tell = (): void => say({ type: "viewing", conversation_id: document.visibilityState === "visible" ? open.value : null })
  function show(conversation: string | null): void {
    if (open.value === conversation) return
    open.value = conversation
    tell()
    clearInterval(beat)
    if (conversation) beat = setInterval(tell, VIEWING_MS)
  }
  /** Called at each stroke; the hub hears of it now and then. `note`: to colleagues, so the client is told nothing. */
  function type(conversation: string, note: boolean): void {
    const now = Date.now()
    if (now - typed < TYPING_MS) return
    typed = now
    say({ type: "typing", conversation_id: conversation, note })
  }
  watch(linkState, (now) => {
    // Signs of before the gap are not to be believed; the hub greets a page that says something with all that goes on.
    if (now === "live") tell()
    else seen.clear()
  })
  document.addEventListener("visibilitychange", tell)
  return { seen, show, type }
})
