// What the page says, in both languages, and the hub's reasons in Russian.
const RU = {
  tagline: "Все обращения одним потоком", login: "Логин", password: "Пароль", signin: "Войти", signout: "Выйти",
  demo: "Демонстрация. Войти одним нажатием:", agent: "Оператор", supervisor: "Старший", admin: "Админ", other: "English",
  queues: "Очереди", stream: "Поток", conversations: "Диалоги", conversation: "Клиент", views: "Виды", panes: "Разделы",
  waiting: "ждут", mine: "мои", all: "открыты", history: "История", reply: "Ответ клиенту", send: "Отправить", online: "на связи",
  offline: "нет связи", lost: "Связь потеряна. Соединяемся снова; пропущенное догрузится само.", wait: "ждёт", none: "пусто",
  choose: "Выберите диалог слева или строку потока: здесь будут карточка клиента и вся история.", nothing: "Здесь пусто",
  take: "Взять себе", resolve: "Завершить", owner: "Ответственный", source: "Источник", birthday: "День рождения", why: "Почему здесь",
  queued: "в очереди", claimed: "отправляется", sending: "отправляется", sent: "✓ отправлено", delivered: "✓✓ доставлено",
  read: "✓✓ прочитано", failed: "не отправлено", in_doubt: "неизвестно, дошло ли", cancelled: "отменено", retry: "Отправить снова",
  settled: "Дошло", unsent: "Не отправлено, текст сохранён. Нажмите «Отправить» ещё раз: второй раз сообщение не уйдёт.",
  call: "Звонок", missed: "пропущен", busy: "занято", answered: "разговор", ringing: "звонит", talking: "разговор идёт", seconds: "с",
  note: "заметка", form: "заявка", via: "через", company: "компания", file: "файл", deleted: "удалено", callOut: "Звонок клиенту",
  phone: "Телефон", email: "Почта", telegram: "Telegram", telegram_username: "Имя в Telegram", unanswerable: "Здесь ответить нельзя: позвоните клиенту.",
  plain: "Это простая страница: полная ещё не собрана. Её собирает make setup.",
};
const EN = {
  tagline: "Every channel in one stream", login: "Login", password: "Password", signin: "Sign in", signout: "Sign out",
  demo: "Demo. Sign in with one click:", agent: "Operator", supervisor: "Supervisor", admin: "Admin", other: "Русский",
  queues: "Queues", stream: "Stream", conversations: "Conversations", conversation: "Client", views: "Views", panes: "Panes",
  waiting: "waiting", mine: "mine", all: "open", history: "History", reply: "Reply to the client", send: "Send", online: "live",
  offline: "offline", lost: "Connection lost. Reconnecting; what was missed will be caught up.", wait: "waiting", none: "empty",
  choose: "Choose a conversation on the left or a line of the stream: the client's card and history open here.", nothing: "Nothing here",
  take: "Take it", resolve: "Resolve", owner: "Owner", source: "Source", birthday: "Birthday", why: "Why here",
  queued: "queued", claimed: "sending", sending: "sending", sent: "✓ sent", delivered: "✓✓ delivered",
  read: "✓✓ read", failed: "failed", in_doubt: "in doubt", cancelled: "cancelled", retry: "Send again",
  settled: "It arrived", unsent: "Not sent, your text is kept. Press Send again: it will not go out twice.",
  call: "Call", missed: "missed", busy: "busy", answered: "talked", ringing: "ringing", talking: "talking", seconds: "s",
  note: "note", form: "form", via: "via", company: "company", file: "file", deleted: "deleted", callOut: "Call to the client",
  phone: "Phone", email: "E-mail", telegram: "Telegram", telegram_username: "Telegram name", unanswerable: "No answer possible here: call the client.",
  plain: "This is the plain page: the full one is not built yet. make setup builds it.",
};
const REASONS = [
  [/missed call: /g, "пропущенный звонок: "], [/outgoing call, missed/g, "исходящий, не ответили"], [/answered by /g, "ответил(а) "],
  [/open conversation of /g, "диалог ведёт "], [/(.+) answered before/g, "прежде отвечал(а) $1"], [/rule (.+?): queue /g, "правило «$1»: очередь "],
  [/rule /g, "правило "], [/default queue /g, "очередь по умолчанию "], [/queue (.+?) of the channel/g, "очередь канала $1"],
  [/queue (.+?) did not answer: queue /g, "очередь $1 не ответила: очередь "], [/back in queue /g, "снова в очереди "],
  [/queue /g, "очередь "], [/owner /g, "ответственный "], [/deputy /g, "заместитель "], [/absent until /g, "отсутствует до "],
  [/(\d+) of (\d+) busy/g, "занято $1 из $2"], [/, waited 0 s\b/g, ""], [/waited (\S+) s\b/g, "ожидание $1 с"], [/waited (\S+) min/g, "ожидание $1 мин"],
  [/closed until /g, "закрыто до "], [/offline now, it waits/g, "не в сети, ждёт"], [/taken by /g, "взял(а) "],
  [/handed over by /g, "передал(а) "], [/returned to the queue by /g, "вернул(а) в очередь "], [/the PBX rings/g, "звонит АТС"],
];

export let language = localStorage.getItem("language") || (navigator.language.startsWith("en") ? "en" : "ru");
export function setLanguage(value) { language = value; localStorage.setItem("language", value); }
export const t = (key) => (language === "ru" ? RU : EN)[key] ?? key;
export const reason = (text) => language === "ru" ? REASONS.reduce((s, [from, to]) => s.replace(from, to), text || "") : text || "";

// Puts the words into the page's own elements.
export function speak() {
  document.documentElement.lang = language;
  for (const e of document.querySelectorAll("[data-t]")) e.textContent = t(e.dataset.t);
  for (const e of document.querySelectorAll("[data-t-label]")) e.setAttribute("aria-label", t(e.dataset.tLabel));
  for (const e of document.querySelectorAll("[data-t-placeholder]")) e.placeholder = t(e.dataset.tPlaceholder);
  for (const e of document.querySelectorAll(".language")) e.textContent = t("other");
}
