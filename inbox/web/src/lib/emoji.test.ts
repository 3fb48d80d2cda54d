import { expect, test } from "vitest"
import { EMOJI } from "./emoji"

test("each sign stands once and is found in both languages", () => {
  expect(new Set(EMOJI.map(([sign]) => sign)).size).toBe(EMOJI.length)
  for (const [sign, names] of EMOJI) {
    expect(/\p{Extended_Pictographic}/u.test(sign), sign).toBe(true)
    expect(/[а-я]/.test(names) && /[a-z]/.test(names), `${sign} ${names}`).toBe(true)
  }
})
