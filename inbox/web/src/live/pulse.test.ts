import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { ANSWER_MS, Pulse, QUIET_MS } from "./pulse"

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function pulse(): { said: string[]; pulse: Pulse } {
  const said: string[] = []
  return { said, pulse: new Pulse(() => said.push("ask"), () => said.push("dead")) }
}

test("silence is asked about, an answer calms", () => {
  const { said, pulse: one } = pulse()
  one.heard()
  vi.advanceTimersByTime(QUIET_MS)
  expect(said).toEqual(["ask"])
  one.heard()
  vi.advanceTimersByTime(QUIET_MS - 1)
  expect(said).toEqual(["ask"])
})

test("without an answer it is dead, once", () => {
  const { said, pulse: one } = pulse()
  one.heard()
  vi.advanceTimersByTime(QUIET_MS + ANSWER_MS * 5)
  expect(said).toEqual(["ask", "dead"])
})

test("doubts that repeat put off nothing", () => {
  const { said, pulse: one } = pulse()
  one.heard()
  one.doubt()
  vi.advanceTimersByTime(ANSWER_MS - 1)
  one.doubt()
  vi.advanceTimersByTime(1)
  expect(said).toEqual(["ask", "dead"])
})

test("stopped it says nothing more", () => {
  const { said, pulse: one } = pulse()
  one.expect()
  one.stop()
  vi.advanceTimersByTime(QUIET_MS + ANSWER_MS)
  expect(said).toEqual([])
})
