/** Which live frames are news for this person while nobody looks at the page. */
import type { Frame } from "@/api/types"

export interface Choices { messages: boolean; transfers: boolean; mentions: boolean; tasks: boolean; sound: "none" | "soft" | "bell" }
export const USUAL: Choices = { messages: true, transfers: true, mentions: true, tasks: true, sound: "none" }
/** `who` is an id of a colleague, or a client's name; `to` a place of the page; `tag` tells news of one thing from another's. */
export interface Notice { kind: "message" | "transfer" | "mention" | "task"; tag: string; who: string; body: string; to: string }
export interface Known { me: string | null; holderOf: (conversation: string) => string | null | undefined; clientOf: (conversation: string) => string }
const CALLS = new Set(["call", "note"])

type Data = Record<string, unknown>
const word = (value: unknown): string => (typeof value === "string" ? value : "")

function ofMessage(data: Data, known: Known): Notice | null {
  const one = data.interaction as Data | undefined
  const conversation = word(one?.conversation_id)
  // Replayed ones are no news; a call tells of itself.
  if (!one || data.replayed === true || one.direction !== "in" || CALLS.has(word(one.kind)) || known.holderOf(conversation) !== known.me) return null
  return { kind: "message", tag: conversation, who: known.clientOf(conversation), body: word(one.text) || word(one.subject), to: `/inbox/${conversation}` }
}
function ofTransfer(data: Data, known: Known): Notice | null {
  const one = data.transfer as Data | undefined
  if (!one || one.state !== "offered" || one.to_agent_id !== known.me) return null
  return { kind: "transfer", tag: `transfer ${word(one.id)}`, who: word(one.from_agent_id), body: word(one.reason), to: `/inbox/${word(one.conversation_id)}` }
}
function ofMention(data: Data, known: Known): Notice | null {
  if (data.agent_id !== known.me) return null
  return { kind: "mention", tag: `mention ${word(data.interaction_id)}`, who: word(data.by), body: word(data.text), to: `/inbox/${word(data.conversation_id)}` }
}
function ofTask(data: Data, known: Known): Notice | null {
  const one = data.task as Data | undefined
  if (!one || one.assignee_id !== known.me || one.state !== "open") return null
  return { kind: "task", tag: `task ${word(one.id)}`, who: word(one.title), body: word(one.contact_name), to: `/tasks/${word(one.id)}` }
}
const KINDS: Record<string, [keyof Omit<Choices, "sound">, (data: Data, known: Known) => Notice | null]> = {
  "interaction.created": ["messages", ofMessage], "transfer.offered": ["transfers", ofTransfer], "mention.created": ["mentions", ofMention], "task.due": ["tasks", ofTask],
}
export const FRAMES = Object.keys(KINDS)

export function noticeOf(frame: Pick<Frame, "type" | "data">, known: Known, choices: Choices): Notice | null {
  const [choice, read] = KINDS[frame.type] ?? []
  return known.me && choice && read && choices[choice] ? read(frame.data, known) : null
}
