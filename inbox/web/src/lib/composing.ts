/** How this agent likes to write, on this browser. */
import { reactive, watch } from "vue"

const NAME = "composing"
export const UNDO_S = 5
interface Habits { enterSends: boolean; undo: boolean }

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
