/** A text in pieces, those that were looked for marked. */
export interface Piece { text: string; hit: boolean }

const WORD = /[\p{L}\p{N}]+/gu
const fold = (text: string): string => text.toLowerCase().replaceAll("ё", "е")
/** What all forms of a word have in common, more or less: the hub looks by Russian stems, of which we only see the answer. */
const stem = (word: string): string => (word.length > 5 ? word.slice(0, -2) : word.length > 3 ? word.slice(0, -1) : word)

function stems(words: string): string[] {
  const plain = words.replace(/(^|\s)-\S+/g, " ")
  return (plain.match(WORD) ?? []).map((word) => stem(fold(word)))
}

export function highlighted(text: string, words: string): Piece[] {
  const wanted = stems(words)
  const pieces: Piece[] = []
  let end = 0
  const put = (to: number, hit: boolean): void => {
    if (to > end) pieces.push({ text: text.slice(end, to), hit })
    end = to
  }
  for (const found of text.matchAll(WORD)) {
    if (!wanted.some((one) => fold(found[0]).startsWith(one))) continue
    put(found.index, false)
    put(found.index + found[0].length, true)
  }
  put(text.length, false)
  return pieces
}

/** The part of a long text where the first hit stands, cut at words. */
export function excerpt(text: string, words: string, most = 160): string {
  const flat = text.replace(/\s+/g, " ").trim()
  if (flat.length <= most) return flat
  const first = highlighted(flat, words).reduce((place, piece) => (place.found || piece.hit ? { ...place, found: true } : { at: place.at + piece.text.length, found: false }), { at: 0, found: false })
  const from = first.found ? Math.max(0, Math.min(first.at - most / 4, flat.length - most)) : 0
  const start = from === 0 ? 0 : flat.indexOf(" ", from) + 1 || from
  return `${start ? "…" : ""}${flat.slice(start, start + most)}${start + most < flat.length ? "…" : ""}`
}
