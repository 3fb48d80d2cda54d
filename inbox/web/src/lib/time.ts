/** Moments as people read them; `locale` is the page's language. */
const formats = new Map<string, Intl.DateTimeFormat>()

function format(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options)
  const found = formats.get(key) ?? new Intl.DateTimeFormat(locale, options)
  formats.set(key, found)
  return found
}

export const clock = (at: string, locale: string): string => format(locale, { hour: "2-digit", minute: "2-digit" }).format(new Date(at))
export const dayOf = (at: string): string => new Date(at).toDateString()
export const moment = (at: string, locale: string): string => format(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at))

export function dayLine(at: string, locale: string, now: number, words: { today: string; yesterday: string }): string {
  if (dayOf(at) === new Date(now).toDateString()) return words.today
  if (dayOf(at) === new Date(now - 86_400_000).toDateString()) return words.yesterday
  const year = new Date(at).getFullYear() === new Date(now).getFullYear() ? {} : ({ year: "numeric" } as const)
  return format(locale, { day: "numeric", month: "long", ...year }).format(new Date(at))
}

/** The hour today, the date before. */
export function listTime(at: string | null | undefined, locale: string, now: number): string {
  if (!at) return ""
  if (dayOf(at) === new Date(now).toDateString()) return clock(at, locale)
  return format(locale, { day: "2-digit", month: "2-digit" }).format(new Date(at))
}

export const duration = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`
