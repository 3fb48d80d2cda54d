import { useMissed } from "@/stores/missed"
import type { Area } from "./types"

export const area: Area = {
  name: "calls",
  routes: [{ path: "/calls", name: "calls", component: () => import("@/views/calls/CallsView.vue") }],
  menu: { label: "calls.title", icon: "i-lucide-phone", to: "/calls", order: 30, count: () => useMissed().count },
  keys: [
    { press: "p", label: "calls.key_note" },
    { press: "o", label: "calls.key_card" },
    { press: "1", label: "calls.key_outcome" },
  ],
}
