/** What connectors say about a provider, in Russian. They speak in whole sentences; a test holds that each stands here. */
import russian from "@/words/sentences.ru.json"

const SPACE = "{}"
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
const exact = new Map(Object.entries(russian).filter(([from]) => !from.includes(SPACE)))
// Longest first, so that a sentence with more to say is not taken for a shorter one.
const shapes = Object.entries(russian)
  .filter(([from]) => from.includes(SPACE))
  .sort(([a], [b]) => b.length - a.length)
  .map(([from, to]) => ({ shape: new RegExp(`^${from.split(SPACE).map(escaped).join("(.+?)")}$`, "s"), to }))

function one(text: string): string | undefined {
  const known = exact.get(text)
  if (known !== undefined) return known
  for (const { shape, to } of shapes) {
    const found = shape.exec(text)
    if (found) return found.slice(1).reduce((said, part) => said.replace(SPACE, () => exact.get(part) ?? part), to)
  }
  return undefined
}
/** "a; b" and "a, b" are told part by part; what has no words stays as the provider said it. */
export function sentenceIn(language: string, text: string | null | undefined): string {
  if (!text || language !== "ru") return text ?? ""
  const whole = one(text)
  if (whole !== undefined) return whole
  return text.split("; ").map((part) => one(part) ?? comma(part)).join("; ")
}
function comma(text: string): string {
  const at = text.lastIndexOf(", last error: ")
  const [head, tail] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 2)]
  return [one(head) ?? head, tail && (one(tail) ?? tail)].filter(Boolean).join(", ")
}

const AREAS: Record<string, string> = { "sending: ": "Отправка: ", "receiving: ": "Приём: ", "silent: ": "Тишина: " }
/** What is wrong with a channel: of its sending, its receiving, or that it fell silent. */
export function troubleIn(language: string, problem: string | null | undefined): string {
  if (!problem || language !== "ru") return problem ?? ""
  const area = Object.keys(AREAS).find((one) => problem.startsWith(one)) ?? ""
  return (AREAS[area] ?? "") + sentenceIn(language, problem.slice(area.length))
}
