/** Why a conversation is where it is: said from the facts of the decision, in the reader's language. */
export type Say = (word: string, facts?: Record<string, string | number>) => string
interface Named { name?: string }
interface Passed { role: string; name: string; why: string; until?: string }
/** As router/sentences.py writes them, and as a colleague's handing over does. */
export interface Facts {
  step?: string
  agent?: Named
  queue?: Named
  from?: Named
  rule?: string
  load?: { busy: number; of: number }
  passed?: Passed[]
  offline?: boolean
  opens_at?: string | null
  waited_s?: number
  outcome?: string
  missed?: boolean
  why?: string
}
/** Who did it, where a person did; names are those of the conversation's history. */
export interface By { agent_id?: string | null; agent_name?: string; by?: string | null; by_name?: string }

const DAY_MS = 86_400_000
/** The time within a day, else the date. */
function when(at: string, locale: string, now: number): string {
  const far = Date.parse(at) - now >= DAY_MS
  return new Intl.DateTimeFormat(locale, far ? { day: "2-digit", month: "2-digit" } : { hour: "2-digit", minute: "2-digit" }).format(new Date(at))
}
function waited(seconds: number, say: Say): string {
  if (seconds < 1) return ""
  if (seconds < 120) return say("waited_s", { n: Math.floor(seconds) })
  return seconds < 7200 ? say("waited_min", { n: Math.floor(seconds / 60) }) : say("waited_h", { n: Math.floor(seconds / 3600) })
}
const STEPS = new Set(["assignee", "owner", "deputy", "previous", "channel", "default", "none", "queue", "returned", "overflow", "nobody"])

function step(facts: Facts, by: By, say: Say): string {
  const names = { agent: facts.agent?.name ?? by.agent_name ?? "", queue: facts.queue?.name ?? "", from: facts.from?.name ?? "", rule: facts.rule ?? "" }
  if (facts.step === "rule") return say(facts.agent ? "rule_agent" : "rule_queue", names)
  if (facts.step === "call") return say(facts.outcome === "answered" ? "call_answered" : "call_missed", names)
  return facts.step && STEPS.has(facts.step) ? say(facts.step, names) : ""
}
function person(facts: Facts, by: By, say: Say): string {
  const names = { by: by.by_name || say("of_integration") }
  const said = say(by.agent_id ? (by.agent_id === by.by ? "taken" : "handed") : "back", names)
  return facts.why ? `${said}, ${say("why", { why: facts.why })}` : said
}

/** Empty: these facts say nothing we know; the hub's own sentence is what there is. */
export function reasonOf(facts: Facts, say: Say, locale: string, now: number, by: By = {}): string {
  if (!facts.step) return "from_agent" in facts || "from_queue" in facts ? person(facts, by, say) : ""
  const main = step(facts, by, say)
  if (!main) return ""
  const parts = [
    facts.missed ? say("missed") : "",
    ...(facts.passed ?? []).map((one) => `${say(`role_${one.role}`, { name: one.name })} ${say(`why_${one.why}`, { until: one.until ? when(one.until, locale, now) : "" })}`),
    main,
    facts.load ? say("load", facts.load) : "",
    facts.waited_s === undefined ? "" : waited(facts.waited_s, say),
    facts.offline ? say("offline") : "",
    facts.opens_at === undefined ? "" : facts.opens_at === null ? say("closed") : say("closed_until", { at: when(facts.opens_at, locale, now) }),
  ]
  return parts.filter(Boolean).join(", ")
}

// ---------------------------------------------------------------- where a sentence alone is known

/** Events carry no facts: the hub's English sentence, with its phrases in Russian. */
const RU: readonly (readonly [RegExp, string])[] = [
  [/missed call: /g, "пропущенный звонок: "], [/outgoing call, missed/g, "исходящий, не ответили"], [/answered by /g, "ответил(а) "],
  [/open conversation of /g, "диалог ведёт "], [/(.+) answered before/g, "прежде отвечал(а) $1"], [/rule (.+?): queue /g, "правило «$1»: очередь "],
  [/rule /g, "правило "], [/default queue /g, "очередь по умолчанию "], [/queue (.+?) of the channel/g, "очередь канала $1"],
  [/queue (.+?) did not answer: queue /g, "очередь $1 не ответила: очередь "], [/back in queue /g, "снова в очереди "],
  [/queue /g, "очередь "], [/owner /g, "ответственный "], [/deputy /g, "заместитель "], [/absent until /g, "отсутствует до "],
  [/(\d+) of (\d+) busy/g, "занято $1 из $2"], [/, waited 0 s\b/g, ""], [/waited (\S+) s\b/g, "ожидание $1 с"], [/waited (\S+) min/g, "ожидание $1 мин"],
  [/closed until /g, "закрыто до "], [/offline now, it waits/g, "не в сети, ждёт"], [/taken by /g, "взял(а) "],
  [/begun by /g, "начал(а) "], [/handed over by /g, "передал(а) "], [/returned to the queue by /g, "вернул(а) в очередь "], [/the PBX rings/g, "звонит АТС"],
]

export function reasonIn(language: string, text: string | undefined): string {
  return language === "ru" ? RU.reduce((said, [from, to]) => said.replace(from, to), text ?? "") : (text ?? "")
}
