/** Words of the page: locales/<language>/<area>.json. Of the two languages one is loaded, and the other when it is asked for. */
import { createI18n } from "vue-i18n"
import { russianPlural } from "./lib/plural"
import type { Words } from "./locales/words"

export type Language = "ru" | "en"

const FILES: Record<Language, () => Promise<{ default: Words }>> = { ru: () => import("./locales/ru"), en: () => import("./locales/en") }
const kept = localStorage.getItem("language")
/** Of whoever opens the page: as chosen before, else as his browser says. */
export const first: Language = kept === "ru" || kept === "en" ? kept : navigator.language.startsWith("en") ? "en" : "ru"

export const i18n = createI18n({
  legacy: false,
  locale: first as string,
  fallbackLocale: [],
  messages: {} as Record<string, Words>,
  pluralRules: { ru: russianPlural },
  missingWarn: import.meta.env.DEV,
  fallbackWarn: false,
})

async function speak(language: Language): Promise<void> {
  if (!i18n.global.availableLocales.includes(language)) i18n.global.setLocaleMessage(language, (await FILES[language]()).default)
  i18n.global.locale.value = language
  document.documentElement.lang = language
}
/** Before the first word is shown. */
export const ready = (): Promise<void> => speak(first)

/** Stays as it was while the words can't be had. */
export async function setLanguage(language: Language): Promise<void> {
  await speak(language)
  localStorage.setItem("language", language)
}
