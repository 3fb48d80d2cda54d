/** What is asked for at the caret: "/" begins a canned answer, "@" names a colleague. */
export type Sign = "/" | "@"
export interface Ask { sign: Sign; words: string; from: number; to: number }

const ASKS: Record<Sign, RegExp> = { "/": /(?:^|\s)\/([^\s/]*)$/u, "@": /(?:^|[\s(])@([\p{L}\p{N}._-]*(?: [\p{L}\p{N}._-]*)?)$/u }

export function askAt(text: string, caret: number, signs: readonly Sign[]): Ask | null {
  const before = text.slice(0, caret)
  for (const sign of signs) {
    const words = ASKS[sign].exec(before)?.[1]
    if (words !== undefined) return { sign, words, from: caret - words.length - 1, to: caret }
  }
  return null
}

/** The text with what was chosen in the place of the asking, and where the caret goes. */
export function answered(text: string, ask: Ask, chosen: string): { text: string; caret: number } {
  return { text: text.slice(0, ask.from) + chosen + text.slice(ask.to), caret: ask.from + chosen.length }
}

export const folded = (text: string): string => text.toLowerCase().replaceAll("ё", "е")

/** Those whose name begins so first, then those that hold the words; in the order given. */
export function found<T>(rows: readonly T[], words: string, nameOf: (row: T) => string, textOf: (row: T) => string = nameOf): T[] {
  const asked = folded(words.trim())
  const each = asked.split(/\s+/).filter(Boolean)
  const begins = rows.filter((row) => folded(nameOf(row)).startsWith(asked))
  const holds = rows.filter((row) => !begins.includes(row) && each.every((word) => folded(`${nameOf(row)} ${textOf(row)}`).includes(word)))
  return [...begins, ...holds]
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
/** Whom a note names: each "@Name" once, the longer name first, so that "@Анна Белова" is not Анна. */
export function mentionsIn(text: string, people: readonly { id: string; name: string }[]): string[] {
  let rest = text
  const named = [...people].filter((one) => one.name).sort((a, b) => b.name.length - a.name.length).filter((one) => {
    const at = new RegExp(`@${escaped(one.name)}(?![\\p{L}\\p{N}])`, "gu")
    const here = at.test(rest)
    rest = rest.replace(at, " ")
    return here
  })
  return named.map((one) => one.id)
}
