import type { Area } from "./types"

export const area: Area = {
  name: "journal",
  routes: [{ path: "/journal/:entry?", name: "journal", component: () => import("@/views/journal/JournalView.vue"), props: true }],
  menu: { label: "journal.title", icon: "i-lucide-scroll-text", to: "/journal", order: 80, roles: ["supervisor", "admin"] },
  keys: [{ press: "x", label: "journal.key_replay" }],
}
