/** How facts of a card are read by people: pure. */

const DAY = /^\d{4}-\d\d-\d\d$/
/** A day as people write it; what is no day stays as it is. */
export function dayText(value: string, locale: string): string {
  return DAY.test(value) ? new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", year: "numeric" }).format(new Date(`${value}T12:00:00`)) : value
}
/** What is known of where a client came from, in a fixed order: our names first, then whatever else was sent. */
const ORDER = ["channel", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referrer", "page", "number", "source", "file"]
export function sourceRows(source: Record<string, unknown> | undefined): [string, string][] {
  const word = (value: unknown): string => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? ""))
  const rows = Object.entries(source ?? {}).map(([key, value]): [string, string] => [key, word(value).trim()]).filter(([, value]) => value)
  const place = (key: string): number => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length)
  return rows.sort(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1))
}
const NEAR = ["Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Yekaterinburg", "Asia/Omsk", "Asia/Novosibirsk", "Asia/Krasnoyarsk", "Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok", "Asia/Magadan", "Asia/Kamchatka", "Europe/Minsk", "Asia/Almaty", "Asia/Tashkent", "Asia/Tbilisi", "Asia/Yerevan", "Asia/Baku"]
/** Zones to choose from: those of our clients first, all others behind them; one that is set stays in the list. */
export function zonesFor(now: string, all: readonly string[]): string[] {
  const rest = all.filter((zone) => !NEAR.includes(zone))
  return [...new Set([...(now ? [now] : []), ...NEAR, ...rest])]
}
/** What o'clock it is there, "" for a zone nobody knows. */
export function clockIn(zone: string, locale: string, at: number): string {
  try {
    return new Intl.DateTimeFormat(locale, { timeZone: zone, hour: "2-digit", minute: "2-digit" }).format(at)
  } catch {
    return ""
  }
}
/** A language by its name; a code nobody knows stays as it is. */
export function languageText(code: string, locale: string): string {
  try {
    return new Intl.DisplayNames([locale], { type: "language" }).of(code) ?? code
  } catch {
    return code
  }
}
