import { expect, test } from "vitest"
import { delayMs, isNews, socketUrl } from "./reconnect"

test("pauses double up to ten seconds, and chance spreads them over their second half", () => {
  expect([0, 1, 2, 9].map((attempt) => delayMs(attempt, 0))).toEqual([200, 400, 800, 5000])
  expect([0, 1, 2, 1000].map((attempt) => delayMs(attempt, 1))).toEqual([400, 800, 1600, 10_000])
})

test("the place in the log never goes back", () => {
  expect([isNews(7, 8), isNews(7, 7), isNews(7, 6)]).toEqual([true, false, false])
})

test("the socket is as safe as the page", () => {
  expect(socketUrl({ protocol: "https:", host: "hub.example" }, 12)).toBe("wss://hub.example/live?after=12")
  expect(socketUrl({ protocol: "http:", host: "127.0.0.1:8080" }, 0)).toBe("ws://127.0.0.1:8080/live?after=0")
})
