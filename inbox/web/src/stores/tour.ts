import { defineStore } from "pinia"
import { computed, ref, shallowRef, watch } from "vue"
import { useRouter } from "vue-router"
import { onDone } from "@/api/client"
import { doneAfter, nextOf, STEPS, type Deed, type Role } from "@/lib/tour"
import { listen } from "@/live/socket"
import { useDemo } from "./demo"
import { useSession } from "./session"
import { useViews } from "./views"

interface Kept { done: string[]; hidden: boolean }

/** The guide through the demo, of each person's own; what is done stays done on this device. */
export const useTour = defineStore("tour", () => {
  const session = useSession()
  const demo = useDemo()
  const views = useViews()
  const router = useRouter()
  const done = shallowRef<ReadonlySet<string>>(new Set())
  const hidden = ref(false)
  const role = computed<Role>(() => (session.agent?.role as Role | undefined) ?? "agent")
  const steps = computed(() => STEPS[role.value])
  const next = computed(() => nextOf(role.value, done.value))
  const shown = computed(() => demo.on && !!session.me && !hidden.value)
  const name = computed(() => (session.me ? `tour:${session.me}` : ""))

  watch(name, (now) => {
    const kept = now ? (JSON.parse(localStorage.getItem(now) ?? "null") as Kept | null) : null
    done.value = new Set(kept?.done)
    hidden.value = kept?.hidden ?? false
  }, { immediate: true })
  function keep(): void {
    if (name.value) localStorage.setItem(name.value, JSON.stringify({ done: [...done.value], hidden: hidden.value } satisfies Kept))
  }
  function tell(deed: Deed): void {
    if (!demo.on || !session.me) return
    const now = doneAfter(role.value, done.value, deed, session.me)
    if (now === done.value) return
    done.value = now
    keep()
  }
  function hide(now: boolean): void {
    hidden.value = now
    keep()
  }
  function again(): void {
    done.value = new Set()
    hide(false)
  }
  onDone((method, path, body) => tell({ what: "asked", method, path, body }))
  for (const type of ["interaction.state", "call.answered"]) listen(type, ({ data }) => tell({ what: "heard", type, data }))
  watch([() => router.currentRoute.value.path, () => demo.on], ([path]) => tell({ what: "went", path }), { immediate: true })
  watch(() => views.current?.id, (view) => view && tell({ what: "looked", view }))
  return { steps, done, next, shown, hidden, role, hide, again }
})
