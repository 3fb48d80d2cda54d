import { defineStore } from "pinia"
import { computed, ref, shallowRef } from "vue"
import { ApiError, call } from "@/api/client"
import type { Agent, PresenceState } from "@/api/types"
import { listen, start, stop } from "@/live/socket"

const BEAT_MS = 30_000

/** Who is signed in, and whether he takes conversations now. */
export const useSession = defineStore("session", () => {
  const state = ref<"unknown" | "out" | "in">("unknown")
  const agent = shallowRef<Agent | null>(null)
  const scopes = shallowRef<readonly string[]>([])
  const presence = ref<PresenceState>("offline")
  const reason = ref("")
  const trouble = shallowRef<ApiError | null>(null)
  let beat: ReturnType<typeof setInterval> | undefined
  /** The place in the event log that everything read from now on is at least as new as. */
  let after = 0

  async function load(): Promise<void> {
    trouble.value = null
    try {
      const found = await call("get", "/api/v1/session")
      agent.value = found.agent ?? null
      scopes.value = found.scopes
      after = found.last_event_id
      state.value = "in"
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) trouble.value = error
      state.value = "out"
    }
  }
  async function signIn(login: string, password: string): Promise<void> {
    await call("post", "/api/v1/session", { body: { login, password } })
    await entered()
  }
  async function signInByCode(ticket: string, code: string): Promise<void> {
    await call("post", "/api/v1/session/second-factor", { body: { ticket, code } })
    await entered()
  }
  async function entered(): Promise<void> {
    await load()
    if (trouble.value) throw trouble.value
  }
  /** The shell calls it once the stores listen. */
  async function begin(): Promise<void> {
    used.value = true
    start(after)
    if (!agent.value) return
    const now = await call("get", "/api/v1/presence").catch(() => null)
    presence.value = (now?.state as PresenceState | undefined) ?? "offline"
    reason.value = now?.reason ?? ""
    if (agent.value.role === "agent" && presence.value === "offline") await setPresence("online").catch(() => undefined)
    clearInterval(beat)
    beat = setInterval(() => {
      if (presence.value !== "offline") void call("put", "/api/v1/presence", { body: { state: presence.value, reason: reason.value } }).catch(() => undefined)
    }, BEAT_MS)
  }
  async function setPresence(next: PresenceState, why = ""): Promise<void> {
    const before = { state: presence.value, why: reason.value }
    presence.value = next
    reason.value = why
    try {
      await call("put", "/api/v1/presence", { body: { state: next, reason: why } })
    } catch (error) {
      presence.value = before.state
      reason.value = before.why
      throw error
    }
  }
  /** This page has shown somebody's clients: whoever signs in next gets it afresh. */
  const used = ref(false)
  listen("agent.presence", ({ data }) => {
    if (data.agent_id !== agent.value?.id) return
    presence.value = data.state as PresenceState
    reason.value = (data.reason as string | undefined) ?? ""
  })
  function forget(): void {
    clearInterval(beat)
    stop()
    state.value = "out"
    agent.value = null
  }
  async function signOut(): Promise<void> {
    if (presence.value !== "offline") await setPresence("offline").catch(() => undefined)
    await call("delete", "/api/v1/session").catch(() => undefined)
    forget()
  }
  const me = computed(() => agent.value?.id ?? null)
  return { state, agent, scopes, presence, reason, trouble, used, me, load, signIn, signInByCode, entered, begin, setPresence, forget, signOut }
})
