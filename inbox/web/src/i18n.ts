/** Words of the page: locales/<language>/<area>.json, each file a name space of its own. */
import { createI18n } from "vue-i18n"
import { russianPlural } from "./lib/plural"

export type Language = "ru" | "en"
type Words = { [key: string]: string | Words }

const files = import.meta.glob<Words>("./locales/*/*.json", { eager: true, import: "default" })

function wordsOf(language: Language): Words {
  const found: Words = {}
  for (const [path, words] of Object.entries(files)) {
    const [, folder, name] = /\/(\w+)\/([\w-]+)\.json$/.exec(path) ?? []
    if (folder === language && name) found[name] = words
  }
  return found
}

const kept = localStorage.getItem("language")
const first: Language = kept === "ru" || kept === "en" ? kept : navigator.language.startsWith("en") ? "en" : "ru"

export const i18n = createI18n({
  legacy: false,
  locale: first,
  fallbackLocale: "en",
  messages: { ru: wordsOf("ru"), en: wordsOf("en") },
  pluralRules: { ru: russianPlural },
  missingWarn: import.meta.env.DEV,
  fallbackWarn: false,
})
document.documentElement.lang = first

export function setLanguage(language: Language): void {
  i18n.global.locale.value = language
  document.documentElement.lang = language
  localStorage.setItem("language", language)
}
