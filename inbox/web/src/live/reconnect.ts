const FIRST_MS = 400
const LONGEST_MS = 10_000

/** How long to wait before try number `attempt` (from 0): doubling, half of it chance, so that a thousand pages don't come back at once. */
export function delayMs(attempt: number, chance: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10))
  return Math.round(whole / 2 + (whole / 2) * chance)
}

/** Whether a frame is news: the hub repeats none, but a frame may race with a socket that is being given up. */
export function isNews(lastId: number, frameId: number): boolean {
  return frameId > lastId
}

export function socketUrl(place: { protocol: string; host: string }, after: number): string {
  return `${place.protocol === "https:" ? "wss" : "ws"}://${place.host}/live?after=${after}`
}
