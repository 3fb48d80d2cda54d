import { expect, test } from "vitest"
import { doneAfter, nextOf, STEPS, type Deed } from "./tour"

const sent = (body: Record<string, unknown>): Deed => ({ what: "asked", method: "post", path: "/api/v1/conversations/{conversation_id}/messages", body })
const heard = (type: string, data: Record<string, unknown>): Deed => ({ what: "heard", type, data })
const walk = (deeds: Deed[]): string[] => [...deeds.reduce((done, deed) => doneAfter("agent", done, deed, "me"), new Set<string>() as ReadonlySet<string>)]

test("the operator's steps tick by what was really done, in any order", () => {
  const deeds: Deed[] = [
    { what: "went", path: "/inbox/c1" },
    sent({ kind: "message", text: "Да" }),
    heard("interaction.state", { state: "delivered" }),
    heard("call.answered", { agent_id: "me" }),
    { what: "asked", method: "patch", path: "/api/v1/calls/{call_id}", body: { note: "после 18", disposition: "заказ принят" } },
    { what: "went", path: "/calls" },
  ]
  expect(walk(deeds)).toEqual(STEPS.agent.map((step) => step.id))
  expect(nextOf("agent", new Set(walk(deeds)))).toBeUndefined()
})

test("what others did, or what only looks alike, ticks nothing", () => {
  const deeds: Deed[] = [{ what: "went", path: "/inbox" }, heard("call.answered", { agent_id: "other" }), heard("interaction.state", { state: "delivered" }), { what: "went", path: "/calls" }]
  expect(walk(deeds)).toEqual([])
  expect(walk([sent({ kind: "note", text: "x" })])).toEqual(["note"])
  expect(walk([sent({ text: "x" }), heard("interaction.state", { state: "failed" })])).toEqual(["answer"])
})

test("each step points somewhere, and the next one is the first not done", () => {
  for (const steps of Object.values(STEPS)) expect(steps.every((step) => step.at.length > 0)).toBe(true)
  expect(nextOf("admin", new Set(["channel"]))?.id).toBe("person")
  expect([...doneAfter("supervisor", new Set(), { what: "looked", view: "unassigned" }, "me")]).toEqual(["waiting"])
})
