import { expect, test } from "vitest"
import { sentenceIn, troubleIn } from "./sentences"

test("a provider's refusal is told in Russian, with the names and numbers it has", () => {
  expect(sentenceIn("ru", "The client has blocked the bot.")).toBe("Клиент заблокировал бота.")
  expect(sentenceIn("ru", "imap.yandex.ru refuses this log-in and password.")).toBe("imap.yandex.ru не принимает логин и пароль.")
  expect(sentenceIn("ru", "SMTP: logged in at smtp.ya.ru, takes up to 30 MB")).toBe("SMTP: вход на smtp.ya.ru получился, письма до 30 МБ")
})

test("a result of several parts is told part by part", () => {
  const said = sentenceIn("ru", "IMAP: INBOX at imap.ya.ru can be read (IDLE); SMTP: logged in at smtp.ya.ru")
  expect(said).toBe("IMAP: папка INBOX на imap.ya.ru читается, новые письма придут сразу; SMTP: вход на smtp.ya.ru получился")
  expect(sentenceIn("ru", "@cake_bot (id 7), webhook at hub.example, 3 updates waiting, last error: 502")).toBe("бот @cake_bot (номер 7), вебхук на hub.example, ждут обработки: 3, последняя ошибка: 502")
})

test("a sentence within a sentence is told too", () => {
  expect(sentenceIn("ru", "a recording that was not kept: The recording was too short to be kept.")).toBe("запись не сохранена: Запись слишком короткая и не сохранена.")
})

test("what is unknown stays as it was said, and English stays English", () => {
  expect(sentenceIn("ru", "Nobody foresaw this.")).toBe("Nobody foresaw this.")
  expect(sentenceIn("en", "The message is empty.")).toBe("The message is empty.")
})

test("a channel's trouble says of what it is", () => {
  expect(troubleIn("ru", "sending: There is not enough money on the SMSC account.")).toBe("Отправка: На счёте SMSC не хватает денег.")
  expect(troubleIn("ru", "silent: nothing has come for longer than 60 s")).toBe("Тишина: ничего не приходит дольше 60 с")
})
