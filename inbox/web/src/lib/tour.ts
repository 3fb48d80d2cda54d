/** The guide of a demo's first five minutes: steps of each role, and what somebody did that makes one done. Pure. */

export type Role = "agent" | "supervisor" | "admin"
/** What was really done: the hub said yes to a request, told of something, or a place of the page was opened. */
export type Deed =
  | { what: "asked"; method: string; path: string; body: Record<string, unknown> }
  | { what: "heard"; type: string; data: Record<string, unknown> }
  | { what: "went"; path: string }
  | { what: "looked"; view: string }

export interface TourStep {
  id: string
  /** Where to do it: the first of these that is on the screen is pointed at. */
  at: readonly string[]
  done: (deed: Deed, me: string, before: ReadonlySet<string>) => boolean
}

const asked = (method: string, path: string, more: (body: Record<string, unknown>) => boolean = () => true) => (deed: Deed): boolean =>
  deed.what === "asked" && deed.method === method && deed.path === `/api/v1${path}` && more(deed.body)
const went = (pattern: RegExp) => (deed: Deed): boolean => deed.what === "went" && pattern.test(deed.path)
const CONVERSATION = /^\/inbox\/[^/]+$/
const MESSAGES = "/conversations/{conversation_id}/messages"
const isNote = (body: Record<string, unknown>): boolean => body.kind === "note"
const SENT = ["sent", "delivered", "read"]
const INBOX = 'a[href="/inbox"]'

export const STEPS: Record<Role, readonly TourStep[]> = {
  agent: [
    { id: "read", at: ["[data-conversation]", INBOX], done: went(CONVERSATION) },
    { id: "answer", at: ["#main form textarea", "[data-conversation]", INBOX], done: asked("post", MESSAGES, (body) => !isNote(body)) },
    { id: "ticks", at: ['#main [role="log"] [data-state]', "[data-conversation]", INBOX], done: (deed, _me, before) => before.has("answer") && deed.what === "heard" && deed.type === "interaction.state" && SENT.includes(String(deed.data.state)) },
    { id: "call", at: ['[data-tour="phone"]', "[data-pop]"], done: (deed, me) => deed.what === "heard" && deed.type === "call.answered" && deed.data.agent_id === me },
    { id: "note", at: ["[data-pop] textarea", "#main form textarea"], done: (deed) => asked("patch", "/calls/{call_id}", (body) => !!body.note)(deed) || asked("post", MESSAGES, isNote)(deed) },
    { id: "outcome", at: ['[data-pop] [role="group"]', "[data-pop]", 'a[href="/calls"]'], done: asked("patch", "/calls/{call_id}", (body) => !!body.disposition) },
    { id: "history", at: ['a[href="/calls"]'], done: (deed, _me, before) => before.has("outcome") && went(/^\/(calls$|contacts\/[^/]+$)/)(deed) },
  ],
  supervisor: [
    { id: "team", at: ['a[href="/settings/team"]', 'a[href="/settings"]'], done: went(/^\/settings\/team$/) },
    { id: "waiting", at: ['[data-view="unassigned"]', INBOX], done: (deed) => deed.what === "looked" && deed.view === "unassigned" },
    { id: "reason", at: ["[data-reason]", "[data-conversation]", INBOX], done: went(CONVERSATION) },
    { id: "transfer", at: ["#main header", "[data-conversation]", INBOX], done: asked("post", "/conversations/{conversation_id}/transfer") },
    { id: "absence", at: ['a[href="/settings/absences"]', 'a[href="/settings"]'], done: asked("post", "/absences") },
  ],
  admin: [
    { id: "channel", at: ['a[href="/settings/channels"]', 'a[href="/settings"]'], done: asked("post", "/channels") },
    { id: "person", at: ['a[href="/settings/agents"]', 'a[href="/settings"]'], done: asked("post", "/agents") },
    { id: "tester", at: ['a[href="/settings/rules"]', 'a[href="/settings"]'], done: asked("post", "/routing/test") },
    { id: "journal", at: ['#main a[href^="/journal/"]', 'a[href="/journal"]'], done: went(/^\/journal\/[^/]+$/) },
  ],
}

/** The steps that are done after this deed; the same set where nothing was. */
export function doneAfter(role: Role, done: ReadonlySet<string>, deed: Deed, me: string): ReadonlySet<string> {
  const fresh = STEPS[role].filter((step) => !done.has(step.id) && step.done(deed, me, done))
  return fresh.length ? new Set([...done, ...fresh.map((step) => step.id)]) : done
}
export const nextOf = (role: Role, done: ReadonlySet<string>): TourStep | undefined => STEPS[role].find((step) => !done.has(step.id))
