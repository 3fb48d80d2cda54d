import type { ChannelItem } from "@/api/admin"

export type Health = "ok" | "quiet" | "paused" | "silent" | "broken"
/** How a channel is doing, the worst first. */
export function healthOf(channel: ChannelItem): Health {
  if (channel.problem || channel.state === "broken") return "broken"
  if (channel.state === "paused") return "paused"
  if (channel.silent_since) return "silent"
  return channel.last_received_at ? "ok" : "quiet"
}
export const LOOKS: Record<Health, { icon: string; tone: string }> = {
  ok: { icon: "i-lucide-circle-check", tone: "text-success" },
  quiet: { icon: "i-lucide-circle-dashed", tone: "text-toned" },
  paused: { icon: "i-lucide-circle-pause", tone: "text-toned" },
  silent: { icon: "i-lucide-circle-alert", tone: "text-warning" },
  broken: { icon: "i-lucide-circle-x", tone: "text-error" },
}
