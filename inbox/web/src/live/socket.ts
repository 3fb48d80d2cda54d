/** The live stream: one socket, resumed from the last event it gave us; whoever cares listens by event name. */
import { ref, shallowRef } from "vue"
import { ApiError, call } from "@/api/client"
import type { Frame } from "@/api/types"
import { Pulse } from "./pulse"
import { delayMs, isNews, socketUrl } from "./reconnect"

export type LinkState = "off" | "connecting" | "live" | "lost"
const GATHER_MS = 80
type Listener = (frame: Frame) => void
/** A frame that is no event: the word to read anew, or a sign of the moment. */
interface Passing { type: string; data?: Record<string, unknown> }

export const linkState = ref<LinkState>("off")
/** When the connection was lost; null while it is there. */
export const lostSince = shallowRef<number | null>(null)

const listeners = new Map<string, Set<Listener>>()
const resets = new Set<() => Promise<void>>()
const pulse = new Pulse(() => say({ type: "ping" }), giveUp)
let socket: WebSocket | null = null
let lastId = 0
let attempt = 0
let timer: ReturnType<typeof setTimeout> | undefined
let waiting: Frame[] = []
let told = 0
let telling: ReturnType<typeof setTimeout> | undefined

/** `name`: an event's whole name, or its object with a dot ("conversation."). Returns how to stop. */
export function listen(name: string, listener: Listener): () => void {
  const set = listeners.get(name) ?? new Set()
  listeners.set(name, set.add(listener))
  return () => void set.delete(listener)
}

/** What to read anew when the hub no longer has what we missed. */
export function onReset(again: () => Promise<void>): () => void {
  resets.add(again)
  return () => void resets.delete(again)
}

export function tell(frame: Frame): void {
  for (const name of [frame.type, `${frame.type.split(".", 1)[0]}.`]) for (const one of listeners.get(name) ?? []) one(frame)
}

/** `after`: the place in the log that everything read so far is at least as new as. */
export function start(after: number): void {
  stop()
  lastId = after
  open()
}

export function stop(): void {
  clearTimeout(timer)
  clearTimeout(telling)
  pulse.stop()
  telling = undefined
  waiting = []
  const old = socket
  socket = null
  old?.close()
  linkState.value = "off"
  lostSince.value = null
  attempt = 0
}

function open(): void {
  if (linkState.value === "off") linkState.value = "connecting"
  const mine = (socket = new WebSocket(socketUrl(location, lastId)))
  pulse.expect()
  mine.onopen = () => {
    if (mine !== socket) return
    pulse.heard()
    attempt = 0
    linkState.value = "live"
    lostSince.value = null
  }
  mine.onmessage = (message: MessageEvent<string>) => {
    if (mine !== socket) return
    pulse.heard()
    receive(JSON.parse(message.data) as Frame | Passing)
  }
  mine.onclose = () => {
    if (mine === socket) lost()
  }
}

/** The browser would hear of a dead connection after minutes. */
function giveUp(): void {
  const old = socket
  socket = null
  old?.close()
  lost()
}

function lost(): void {
  pulse.stop()
  linkState.value = "lost"
  lostSince.value ??= Date.now()
  timer = setTimeout(again, delayMs(attempt++, Math.random()))
}

/** A refused socket can't say why: a session that has ended is asked for by a plain request. */
async function again(): Promise<void> {
  const before = socket
  try {
    await call("get", "/api/v1/presence")
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return
  }
  if (before === socket && linkState.value === "lost") open()
}

/** Something of the moment, which nobody misses if it is lost: what this page shows, that somebody types. */
export function say(frame: Record<string, unknown>): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame))
}

function receive(frame: Frame | Passing): void {
  if (frame.type === "pong") return
  if (!("id" in frame)) return frame.type === "reset" ? void anew() : tell({ id: 0, at: "", v: 1, data: {}, ...frame })
  if (!isNews(lastId, frame.id)) return
  lastId = frame.id
  waiting.push(frame)
  // A single frame is told at once; in a burst they are gathered, so that fifty a second are not fifty drawings. A telephone
  // that rings waits for nothing.
  const rest = frame.type.startsWith("call.") ? 0 : told + GATHER_MS - performance.now()
  if (rest <= 0) flush()
  else telling ??= setTimeout(flush, rest)
}

function flush(): void {
  clearTimeout(telling)
  telling = undefined
  told = performance.now()
  const frames = waiting
  waiting = []
  frames.forEach(tell)
}

async function anew(): Promise<void> {
  const session = await call("get", "/api/v1/session")
  await Promise.all([...resets].map((again) => again()))
  start(session.last_event_id)
}

if (typeof window !== "undefined") {
  const doubt = (): void => {
    if (linkState.value === "live") pulse.doubt()
  }
  window.addEventListener("offline", doubt)
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && doubt())
  window.addEventListener("online", () => {
    doubt()
    if (linkState.value !== "lost") return
    clearTimeout(timer)
    attempt = 0
    void again()
  })
}
