/** Why two cards may be one: the hub says it in English; here are its phrases in Russian. */
const RU: readonly (readonly [RegExp, string])[] = [
  [/nearly the same name/, "почти одинаковое имя"], [/the same name/, "одинаковое имя"], [/in the other alphabet/, "другим алфавитом"], [/at the same company/, "в той же компании"],
  [/one message carries addresses of both/, "в одном сообщении адреса обоих"], [/one call carries addresses of both/, "в одном звонке номера обоих"],
  [/one form carries addresses of both/, "в одной заявке адреса обоих"], [/one \w+ carries addresses of both/, "в одном обращении адреса обоих"],
]
export function likenessIn(language: string, text: string): string {
  const said = language === "ru" ? RU.reduce((now, [from, to]) => now.replace(from, to), text) : text
  return said.charAt(0).toUpperCase() + said.slice(1)
}
