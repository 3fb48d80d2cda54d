/** What kind of address somebody types, and which kinds one can write to. */
export function kindOfText(text: string): "phone" | "email" | "telegram_username" {
  const bare = text.trim()
  if (/^@|^(https?:\/\/)?t\.me\//i.test(bare)) return "telegram_username"
  return bare.includes("@") ? "email" : "phone"
}
const SILENT = new Set(["external", "telegram_username"])
/** A code of another system is no address to write to; a Telegram name is not one either before its owner wrote to us. */
export const canWrite = (kind: string): boolean => !SILENT.has(kind)
