/** Each in itself, whatever the page's language. */
export const LANGUAGES = [{ value: "ru", label: "Русский" }, { value: "en", label: "English" }] as const
