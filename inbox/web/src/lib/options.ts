/** What a list of choices offers. `off`: shown, but can't be chosen, `hint` says why. `dot`: the colour of a sign before it. */
export interface Option { id: string; label: string; hint?: string; icon?: string; dot?: string; off?: boolean; also?: string }

const fold = (text: string): string => text.toLowerCase().replaceAll("ё", "е").trim()

/** Those with a word that begins so first, then those that hold it; `also`: other words it is known by. */
export function narrowed(options: Option[], words: string): Option[] {
  const part = fold(words)
  if (!part) return options
  const begins = (one: Option): boolean => fold(`${one.label} ${one.also ?? ""}`).split(/[\s,.·-]+/).some((word) => word.startsWith(part)) || fold(one.label).startsWith(part)
  const holds = (one: Option): boolean => fold(`${one.label} ${one.also ?? ""}`).includes(part)
  const first = options.filter(begins)
  return [...first, ...options.filter((one) => !first.includes(one) && holds(one))]
}
