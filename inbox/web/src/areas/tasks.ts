import { useTasks } from "@/stores/tasks"
import type { Area } from "./types"

export const area: Area = {
  name: "tasks",
  routes: [{ path: "/tasks/:id?", name: "tasks", component: () => import("@/views/tasks/TasksView.vue"), props: true }],
  menu: { label: "tasks.title", icon: "i-lucide-list-checks", to: "/tasks", order: 40, count: () => useTasks().overdue },
  keys: [{ press: "c", label: "tasks.key_new" }],
}
