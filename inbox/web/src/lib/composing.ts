/** How this agent likes to write, on this browser; and how long the company lets him change his mind. */
import { reactive, ref, watch } from "vue"
import { call } from "@/api/client"

const NAME = "composing"
interface Habits { enterSends: boolean; undo: boolean }
/** Seconds; 0: the company does without. */
export const undoSeconds = ref(5)
let asked = false
/** Once a page: another choice of the company holds from the next one on. */
export async function loadUndo(): Promise<void> {
  if (asked) return
  asked = true
  undoSeconds.value = (await call("get", "/api/v1/workspace")).undo_send_s
}

function read(): Habits {
  const usual: Habits = { enterSends: false, undo: true }
  try {
    return { ...usual, ...(JSON.parse(localStorage.getItem(NAME) ?? "{}") as Partial<Habits>) }
  } catch {
    return usual
  }
}
export const habits = reactive<Habits>(read())
watch(habits, (now) => localStorage.setItem(NAME, JSON.stringify(now)))
