/** Why a conversation is where it is: the hub says it in English; here are its phrases in Russian. */
const RU: readonly (readonly [RegExp, string])[] = [
  [/missed call: /g, "пропущенный звонок: "], [/outgoing call, missed/g, "исходящий, не ответили"], [/answered by /g, "ответил(а) "],
  [/open conversation of /g, "диалог ведёт "], [/(.+) answered before/g, "прежде отвечал(а) $1"], [/rule (.+?): queue /g, "правило «$1»: очередь "],
  [/rule /g, "правило "], [/default queue /g, "очередь по умолчанию "], [/queue (.+?) of the channel/g, "очередь канала $1"],
  [/queue (.+?) did not answer: queue /g, "очередь $1 не ответила: очередь "], [/back in queue /g, "снова в очереди "],
  [/queue /g, "очередь "], [/owner /g, "ответственный "], [/deputy /g, "заместитель "], [/absent until /g, "отсутствует до "],
  [/(\d+) of (\d+) busy/g, "занято $1 из $2"], [/, waited 0 s\b/g, ""], [/waited (\S+) s\b/g, "ожидание $1 с"], [/waited (\S+) min/g, "ожидание $1 мин"],
  [/closed until /g, "закрыто до "], [/offline now, it waits/g, "не в сети, ждёт"], [/taken by /g, "взял(а) "],
  [/begun by /g, "начал(а) "], [/handed over by /g, "передал(а) "], [/returned to the queue by /g, "вернул(а) в очередь "], [/the PBX rings/g, "звонит АТС"],
]

export function reasonIn(language: string, text: string | undefined): string {
  return language === "ru" ? RU.reduce((said, [from, to]) => said.replace(from, to), text ?? "") : (text ?? "")
}
