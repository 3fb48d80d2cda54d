/** A canned answer with its variables put in, for the preview: as the hub does it when the answer is used. */
export type CannedValues = Record<"name" | "agent" | "company", string>
const FIRST = /^\{(name|agent|company)\},?[ \t]*/gm
const VARIABLE = /(,?[ \t]*)\{(name|agent|company)\}/g

/** One without a value takes the comma and the spaces before it along, at the beginning of a line those behind it. */
export function filledIn(text: string, values: CannedValues): string {
  const begun = text.replace(FIRST, (whole, name: keyof CannedValues) => (values[name] ? whole : ""))
  return begun.replace(VARIABLE, (_, before: string, name: keyof CannedValues) => (values[name] ? before + values[name] : ""))
}
