/** States of an entry, in the order of the filter; how each is drawn. */
export const STATES = ["new", "done", "ignored", "failed", "quarantined"] as const
export type State = (typeof STATES)[number]
type Look = { icon: string; tone: string }
const LOOKS: Record<State, Look> = {
  new: { icon: "i-lucide-loader", tone: "text-info" },
  done: { icon: "i-lucide-circle-check", tone: "text-success" },
  ignored: { icon: "i-lucide-circle-minus", tone: "text-toned" },
  failed: { icon: "i-lucide-circle-x", tone: "text-error" },
  quarantined: { icon: "i-lucide-shield-alert", tone: "text-warning" },
}
export const lookOf = (state: string): Look => LOOKS[state as State] ?? LOOKS.new
