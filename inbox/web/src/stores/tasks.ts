import { defineStore } from "pinia"
import { computed, reactive, ref, shallowReactive } from "vue"
import { ApiError, call } from "@/api/client"
import type { Task } from "@/api/records"
import { dueOf, laterTask } from "@/lib/due"
import { listen, onReset } from "@/live/socket"
import { useSession } from "./session"

const PAGE = 200
const MAX_PAGES = 10
export type Whose = "mine" | "all"

/** Open tasks by id: one's own from the start, those of others once somebody looks at them. */
export const useTasks = defineStore("tasks", () => {
  const rows = shallowReactive(new Map<string, Task>())
  const read = reactive(new Set<Whose>())
  const loading = ref(false)
  const error = ref<ApiError | null>(null)
  const busy = reactive(new Set<string>())
  const tick = ref(Date.now())
  const session = useSession()

  function keep(task: Task): void {
    const now = laterTask(rows.get(task.id), task)
    if (now !== rows.get(task.id)) rows.set(task.id, now)
  }
  async function load(whose: Whose): Promise<void> {
    if (loading.value || (whose === "mine" && !session.me)) return
    loading.value = true
    error.value = null
    try {
      let after: string | undefined
      for (let page = 0; page < MAX_PAGES; page++) {
        const found = await call("get", "/api/v1/tasks", { query: { state: "open", assignee: whose === "mine" ? "me" : undefined, limit: PAGE, after } })
        found.items.forEach(keep)
        after = found.next ?? undefined
        if (!after) break
      }
      read.add(whose)
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed
      error.value = failed
    } finally {
      loading.value = false
      tick.value = Date.now()
    }
  }
  async function fetchOne(id: string): Promise<Task | null> {
    try {
      const task = await call("get", "/api/v1/tasks/{task_id}", { path: { task_id: id } })
      keep(task)
      return task
    } catch (failed) {
      if (failed instanceof ApiError && failed.status === 404) return null
      throw failed
    }
  }
  /** Shown at once, taken back when the hub refuses. */
  async function change(id: string, shown: Partial<Task>, ask: () => Promise<Task>): Promise<void> {
    const before = rows.get(id)
    if (before) rows.set(id, { ...before, ...shown })
    busy.add(id)
    try {
      const now = await ask()
      rows.set(id, laterTask(rows.get(id), now))
    } catch (failed) {
      if (before && rows.get(id)?.version === before.version) rows.set(id, before)
      throw failed
    } finally {
      busy.delete(id)
    }
  }
  const path = (id: string) => ({ path: { task_id: id } })
  const done = (id: string, result: string): Promise<void> => change(id, { state: "done", result }, () => call("post", "/api/v1/tasks/{task_id}/done", { ...path(id), body: { result } }))
  const cancel = (id: string, result: string): Promise<void> => change(id, { state: "cancelled", result }, () => call("post", "/api/v1/tasks/{task_id}/cancel", { ...path(id), body: { result } }))
  const reopen = (id: string): Promise<void> => change(id, { state: "open" }, () => call("post", "/api/v1/tasks/{task_id}/reopen", path(id)))
  const put = (id: string, changes: Partial<Pick<Task, "title" | "text" | "due_at" | "ends_at" | "remind_at" | "assignee_id">>): Promise<void> =>
    change(id, changes, () => call("patch", "/api/v1/tasks/{task_id}", { ...path(id), body: { ...changes, version: rows.get(id)?.version } }))

  listen("task.", ({ data, type }) => {
    tick.value = Date.now()
    const task = data.task as Task | undefined
    if (task) keep(task)
    else if (type === "task.left") rows.delete((data.task_id ?? data.id) as string)
  })
  onReset(async () => {
    const again = [...read]
    rows.clear()
    read.clear()
    for (const whose of again) await load(whose)
  })
  void load("mine")
  setInterval(() => (tick.value = Date.now()), 30_000)

  const open = computed(() => [...rows.values()].filter((task) => task.state === "open"))
  const mine = computed(() => open.value.filter((task) => task.assignee_id === session.me))
  const overdue = computed(() => mine.value.filter((task) => dueOf(task.due_at, tick.value) === "overdue").length)
  return { rows, read, loading, error, busy, open, mine, overdue, keep, load, fetchOne, done, cancel, reopen, put }
})
