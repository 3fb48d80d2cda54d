import { expect, test } from "vitest"
import { fileObstacle, obstacleOf, pickWay, smsParts, type Way } from "./compose"

const way = (changes: Partial<Way>): Way => ({ identity_id: "phone", kind: "phone", value: "+7", channel_id: "sms", channel: "SMS", connector: "smsc", title: "SMSC", able: { text: true, max_text: 10 }, ...changes }) as Way
const sms = way({})
const bot = way({ identity_id: "chat", channel_id: "bot", able: { text: true, max_text: 4096, attachments: true, max_file: 100 } as Way["able"] })
const other = way({ channel_id: "sms2" })
const own = { identity_id: "chat", channel_id: "bot" }
const file = (size: number) => ({ id: "f", name: "f", type: "image/png", size })

test("one answers where one was written to, unless another way is chosen", () => {
  expect(pickWay([sms, bot], {}, own)).toBe(bot)
  expect(pickWay([sms, bot], { identity_id: "phone" }, own)).toBe(sms)
  expect(pickWay([sms, other, bot], { identity_id: "phone", channel_id: "sms2" }, own)).toBe(other)
  expect(pickWay([sms, bot], { identity_id: "gone" }, own)).toBe(bot)
})

test("a call is answered by the same number, else by whatever is open", () => {
  expect(pickWay([bot, sms], {}, { identity_id: "phone", channel_id: "pbx" })).toBe(sms)
  expect(pickWay([way({ why_not: "blocked" }), bot], {}, { identity_id: "phone", channel_id: "pbx" })).toBe(bot)
  expect(pickWay([way({ why_not: "blocked" })], {}, { channel_id: "form" })?.why_not).toBe("blocked")
  expect(pickWay([], {}, own)).toBeNull()
})

test("what a channel can't take is said before sending", () => {
  expect(obstacleOf(sms, { text: "да", files: [] })).toBe("")
  expect(obstacleOf(sms, { text: "x".repeat(11), files: [] })).toBe("long")
  expect(obstacleOf(sms, { text: "", files: [file(1)] })).toBe("no_files")
  expect(obstacleOf(bot, { text: "", files: [file(101)] })).toBe("big_file")
  expect(obstacleOf(way({ why_not: "window_closed" }), { text: "x".repeat(11), files: [] })).toBe("window_closed")
})

test("a file is refused before it is uploaded", () => {
  expect(fileObstacle({ size: 5 }, 0, sms.able)).toBe("no_files")
  expect(fileObstacle({ size: 101 }, 0, bot.able)).toBe("big_file")
  expect(fileObstacle({ size: 0 }, 0, bot.able)).toBe("empty_file")
  expect(fileObstacle({ size: 5 }, 20, bot.able)).toBe("many_files")
  expect(fileObstacle({ size: 5 }, 0, null)).toBe("")
})

test("short messages are counted as a provider counts them", () => {
  expect(smsParts("a".repeat(160))).toBe(1)
  expect(smsParts("a".repeat(161))).toBe(2)
  expect(smsParts(`${"a".repeat(158)}€`)).toBe(1)
  expect(smsParts(`${"a".repeat(159)}€`)).toBe(2)
  expect(smsParts("я".repeat(70))).toBe(1)
  expect(smsParts("я".repeat(135))).toBe(3)
})
