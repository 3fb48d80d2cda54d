import { expect, test } from "vitest"
import { popOf, popsAfter, stillThere, type CallPop } from "./pops"

const NOW = 1_000_000
const facts = { call_id: "c", conversation_id: "v", contact_id: "k", contact_name: "Анна", channel_name: "Mango", caller: { pretty: "+7 916" }, direction: "in", started_at: "2026-05-05T09:00:00Z" }
const frame = (stage: string, data: object) => ({ type: `call.${stage}`, data: { ...facts, ...data } })
const after = (...frames: { type: string; data: Record<string, unknown> }[]): CallPop[] => frames.reduce<CallPop[]>((pops, one) => popsAfter(pops, one, "me", NOW), [])
const rings = frame("ringing", { ringing: [{ id: "me" }, { id: "other" }], pop: { new: false } })

test("a call pops for whom it rings at, and for nobody else", () => {
  expect(after(rings).map((one) => one.stage)).toEqual(["ringing"])
  expect(after(frame("ringing", { ringing: [{ id: "other" }] }))).toEqual([])
  expect(popsAfter([], rings, null, NOW)).toEqual([])
})

test("told twice it pops once, and keeps what it showed", () => {
  const twice = after(rings, frame("ringing", { ringing: [{ id: "me" }] }))
  expect(twice).toHaveLength(1)
  expect(twice[0]!.pop).toEqual({ new: false })
})

test("answered here it goes on until its outcome; answered elsewhere it says by whom", () => {
  const mine = after(rings, frame("answered", { agent_id: "me", answered_at: "2026-05-05T09:00:05Z" }), frame("finished", { agent_id: "me", outcome: "answered", talk_s: 12, wrap_up_until: "2026-05-05T09:01:00Z" }))
  expect(mine[0]).toMatchObject({ stage: "finished", talk_s: 12, wrap_up_until: "2026-05-05T09:01:00Z" })
  expect(after(rings, frame("answered", { agent_id: "other", agent_name: "Олег" }))[0]).toMatchObject({ stage: "taken", other: "Олег" })
})

test("a call that nobody took is missed, one that rings elsewhere goes away", () => {
  expect(after(rings, frame("finished", { outcome: "missed", agent_id: "me" }))[0]!.stage).toBe("missed")
  expect(after(rings, frame("ringing", { ringing: [{ id: "other" }] }))).toEqual([])
})

test("news that comes late does not wake a call that is over", () => {
  const over = after(rings, frame("finished", { outcome: "missed" }), rings, frame("answered", { agent_id: "me" }))
  expect(over.map((one) => one.stage)).toEqual(["missed"])
})

test("a call one was not rung at pops when it is put through to one", () => {
  expect(after(frame("answered", { agent_id: "me" })).map((one) => one.stage)).toEqual(["talking"])
})

test("what needs nothing goes away by itself, unless one is writing in it", () => {
  const missed = after(rings, frame("finished", { outcome: "missed" }))
  expect(stillThere(missed, NOW + 1_000, () => false)).toHaveLength(1)
  expect(stillThere(missed, NOW + 60_000, () => false)).toHaveLength(0)
  expect(stillThere(missed, NOW + 60_000, () => true)).toHaveLength(1)
})

test("a page opened in the middle of a call shows it", () => {
  const call = { id: "c", channel_id: "h", channel_name: "Mango", conversation_id: "v", interaction_id: "i", contact_id: "k", started_at: "2026-05-05T09:00:00Z", agent_id: "me" }
  expect(popOf({ call: { ...call, state: "talking" }, caller: {}, pop: null }, "me")?.stage).toBe("talking")
  expect(popOf({ call: { ...call, state: "ringing", agent_id: null, ringing: ["me"] }, caller: {}, pop: null }, "me")?.stage).toBe("ringing")
  expect(popOf({ call: { ...call, state: "finished" }, caller: {}, pop: null }, "me")).toBeNull()
})
