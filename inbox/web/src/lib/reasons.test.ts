import { expect, test } from "vitest"
import ru from "@/locales/ru/reasons.json"
import { reasonOf, type Facts, type Say } from "./reasons"

const NOW = Date.parse("2026-11-25T09:00:00Z")
const say: Say = (word, facts = {}) => (ru as Record<string, string>)[word]!.replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name] ?? ""))
const said = (facts: Facts, by = {}): string => reasonOf(facts, say, "ru", NOW, by)

test("an absent owner, his deputy and how busy he is", () => {
  const facts: Facts = { step: "deputy", agent: { name: "Борис" }, load: { busy: 2, of: 5 }, passed: [{ role: "owner", name: "Анна", why: "absent", until: "2026-12-01T00:00:00Z" }] }
  expect(said(facts)).toMatch(/^ответственный Анна отсутствует до (30\.11|01\.12), замещает Борис, занято 2 из 5$/)
})

test("a rule leads to a queue that is closed", () => {
  expect(said({ step: "rule", rule: "Торты", queue: { name: "Цех" }, opens_at: null })).toBe("правило «Торты»: очередь «Цех», закрыто")
})

test("who took it, who handed it over and why", () => {
  expect(said({ from_agent: null } as Facts, { agent_id: "a", by: "a", by_name: "Анна" })).toBe("взял(а) Анна")
  expect(said({ from_agent: "a", why: "едет на склад" } as Facts, { agent_id: "b", by: "a", by_name: "Анна" })).toBe("передал(а) Анна, «едет на склад»")
  expect(said({ from_queue: "q" } as Facts, { by_name: "" })).toBe("вернул(а) в очередь интеграция")
})

test("short waits are left out, long ones rounded", () => {
  expect(said({ step: "queue", queue: { name: "Зал" }, agent: { name: "Вера" }, waited_s: 0 })).toBe("очередь «Зал»: Вера")
  expect(said({ step: "queue", queue: { name: "Зал" }, agent: { name: "Вера" }, waited_s: 600 })).toContain("ожидание 10 мин")
})

test("facts of a newer hub say nothing: its sentence is shown", () => {
  expect(said({ step: "oracle" })).toBe("")
  expect(said({})).toBe("")
})
