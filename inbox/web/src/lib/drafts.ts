/** What was being written by whom to whom, on this device. */
import { useSession } from "@/stores/session"

const keyOf = (conversation: string): string => `draft:${useSession().me ?? ""}:${conversation}`

export function draftOf(conversation: string): string {
  return localStorage.getItem(keyOf(conversation)) ?? ""
}

export function keepDraft(conversation: string, text: string): void {
  if (text) localStorage.setItem(keyOf(conversation), text)
  else localStorage.removeItem(keyOf(conversation))
}
