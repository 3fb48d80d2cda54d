/** How channels look: an icon for each connector's way of speaking. */
const ICONS: Record<string, string> = {
  email: "i-lucide-mail", form: "i-lucide-clipboard-list", widget: "i-lucide-message-square", telegram: "i-lucide-send", whatsapp: "i-lucide-message-circle",
  messenger: "i-lucide-message-circle", instagram: "i-lucide-camera", avito: "i-lucide-shopping-bag", generic: "i-lucide-webhook",
}
const PHONES = new Set(["mango", "megafon", "zadarma", "uis", "beeline", "sipuni", "telphin", "twilio_voice", "asterisk", "freeswitch", "kamailio"])
const SMS = new Set(["smsc", "smsru", "smsaero", "exolve", "twilio", "vonage", "infobip", "messagebird", "smpp", "kannel"])

export function channelIcon(connector: string | undefined): string {
  if (!connector) return "i-lucide-message-circle"
  if (PHONES.has(connector)) return "i-lucide-phone"
  return ICONS[connector] ?? (SMS.has(connector) ? "i-lucide-smartphone" : "i-lucide-message-circle")
}

const IDENTITIES: Record<string, string> = { phone: "i-lucide-phone", email: "i-lucide-mail", telegram: "i-lucide-send", telegram_username: "i-lucide-at-sign" }
export const identityIcon = (kind: string): string => IDENTITIES[kind] ?? "i-lucide-message-circle"
