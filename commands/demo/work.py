"""What is going on beside the talking as somebody comes to work: tasks, notes that name him, work offered to him, what is
put off, what failed, who agreed to what. Written over the history, with times about now.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from router.doubles import suggest_doubles
from storage.db import Connection
from storage.drafts import save_draft
from storage.mentions import add_mentions


class Todo(NamedTuple):
    """`due_h`: hours from now; `nth`: which of his newest clients it is about; `by`: who asked for it."""

    who: str
    kind: str
    title: str
    due_h: float
    nth: int
    by: str = ""
    text: str = ""


TODO: tuple[Todo, ...] = (
    Todo("anna", "todo", "Прислать фото начинок", -20, 0),
    Todo("anna", "complaint", "Помятый торт: согласовать возврат", -3, 1, "olga", "Чек и фото в переписке."),
    Todo("anna", "todo", "Уточнить адрес доставки на субботу", 1, 2),
    Todo("anna", "meeting", "Дегустация свадебных тортов", 4, 3, "olga", "Четыре начинки, два гостя."),
    Todo("anna", "todo", "Напомнить о дне рождения дочки: торт как в прошлом году", 27, 4),
    Todo("anna", "call_back", "Позвонить после 18:00, как просили", 6, 5),
    Todo("anna", "todo", "Предложить штоллен к Рождеству", 24 * 6, 6),
    Todo("boris", "todo", "Проверить состав «Наполеона» без орехов", -5, 0, "olga"),
    Todo("boris", "meeting", "Приём курьеров: новый маршрут", 3, 1),
    Todo("vera", "todo", "Отправить договор и декларации", 2, 0, "olga"),
    Todo("vera", "complaint", "Недовес в поставке: сверить накладные", -1, 1, "olga"),
    Todo("vera", "todo", "Продлить договор на год", 24 * 3, 2, "matvey"),
    Todo("olga", "todo", "График смен на выходные", 5, 0),
    Todo("olga", "complaint", "Жалоба на курьера: разговор с доставкой", -26, 1, "matvey"),
    Todo("olga", "meeting", "Планёрка: заказы к праздникам", 25, 2),
    Todo("matvey", "todo", "Подключить WhatsApp", 24 * 2, 0),
)
DONE: tuple[tuple[str, str, str, int], ...] = (
    ("anna", "Заказать коробки 30 см", "Заказали 200 штук, привезут в среду", 20),
    ("anna", "Уточнить надпись на торте", "«С юбилеем, папа!», согласовано", 45),
    ("boris", "Позвонить: не понравился крем", "Извинились, подарили сертификат на 1 000 ₽", 70),
    ("vera", "Счёт для «Вече»", "Оплачен", 30),
    ("olga", "Обучить новую кассиршу", "Смену держит сама", 160),
)
MENTIONS: tuple[tuple[str, str, str, int], ...] = (
    ("olga", "anna", "@Анна Белова посмотри, пожалуйста: клиент просит тот же декор, что в марте. Фото у тебя.", 8),
    ("boris", "anna", "@Анна Белова возьмёшь доставку на Прусскую? У меня в это время дегустация.", 5),
    ("vera", "olga", "@Ольга Лебедева нужна скидка 15 % сверх договора, решать вам.", 4),
)
OFFERS: tuple[tuple[str, str, str], ...] = (
    ("boris", "anna", "Спрашивает про свадебный декор, это к тебе"),
    ("vera", "olga", "Просит особые условия по опту"),
)

_CLIENTS = """
SELECT contact.id FROM contact JOIN agent ON agent.id = contact.owner_id
WHERE agent.login = $1 AND contact.name <> '' ORDER BY contact.updated_at DESC, contact.id DESC LIMIT 20
"""
_TASK = """
INSERT INTO task (kind, title, text, contact_id, assignee_id, created_by, due_at, remind_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_DONE = """
INSERT INTO task (kind, title, result, assignee_id, created_by, due_at, state, done_at, done_by, created_at)
VALUES ('todo', $1, $2, $3, $3, $4, 'done', $5, $3, $6)
"""
# As the router makes them of missed calls, for those of the last ten days.
_OWED = """
INSERT INTO task (kind, title, contact_id, conversation_id, interaction_id, call_id, assignee_id, queue_id, due_at, key,
    state, result, done_at, done_by, created_at)
SELECT 'call_back', 'Перезвонить: ' || k.name, c.contact_id, c.id, l.interaction_id, l.id, c.assignee_id, c.queue_id,
    l.started_at + interval '30 minutes', 'missed_call:' || l.id,
    CASE c.status WHEN 'resolved' THEN 'done' ELSE 'open' END,
    CASE c.status WHEN 'resolved' THEN 'Перезвонили' ELSE '' END, c.resolved_at,
    CASE c.status WHEN 'resolved' THEN c.assignee_id END, l.finished_at
FROM call AS l JOIN conversation AS c ON c.id = l.conversation_id JOIN contact AS k ON k.id = c.contact_id
WHERE l.direction = 'in' AND l.outcome = 'missed' AND l.started_at > $1::timestamptz - interval '10 days'
"""
_HELD = """
SELECT c.id, c.channel_id, c.contact_id, c.identity_id FROM conversation AS c JOIN agent AS a ON a.id = c.assignee_id
WHERE a.login = $1 AND c.status = 'open' AND c.kind IN ('message', 'email') ORDER BY c.last_at DESC, c.id
"""
# Whoever has fewer has his newest ones again: answered, and not closed yet.
_REOPEN = """
UPDATE conversation SET status = 'open', resolved_at = NULL, disposition = '', unread = 0
WHERE id IN (
    SELECT c.id FROM conversation AS c JOIN agent AS a ON a.id = c.assignee_id
    WHERE a.login = $1 AND c.status = 'resolved' AND c.kind IN ('message', 'email')
      AND NOT EXISTS (
        SELECT FROM conversation AS other WHERE other.channel_id = c.channel_id AND other.thread_key = c.thread_key
          AND other.status <> 'resolved')
    ORDER BY c.last_at DESC, c.id LIMIT $2)
"""
ENOUGH = {"anna": 3, "boris": 2, "vera": 2}
_NOTE = """
INSERT INTO interaction (order_at, kind, direction, channel_id, conversation_id, contact_id, identity_id, agent_id, text,
    body, sent_at, received_at)
VALUES ($1, 'note', 'out', $2, $3, $4, $5, $6, $7, $8, $1, $1) RETURNING id
"""
_SNOOZE = """
UPDATE conversation SET status = 'snoozed', snoozed_until = $2, resolved_at = NULL, disposition = ''
WHERE id = (
    SELECT c.id FROM conversation AS c JOIN agent AS a ON a.id = c.assignee_id
    WHERE a.login = $1 AND c.status = 'resolved' AND c.kind IN ('message', 'email')
      AND NOT EXISTS (
        SELECT FROM conversation AS other WHERE other.channel_id = c.channel_id AND other.thread_key = c.thread_key
          AND other.status <> 'resolved')
    ORDER BY c.last_at DESC, c.id LIMIT 1)
"""
# The newest answer on this channel in a conversation that is open, his first.
_FAIL = """
WITH one AS (
    SELECT o.id, o.interaction_id FROM outbound AS o JOIN conversation AS c ON c.id = o.conversation_id
    JOIN channel AS h ON h.id = o.channel_id LEFT JOIN agent AS a ON a.id = c.assignee_id
    WHERE h.connector = $1 AND o.state IN ('sent', 'delivered')
    ORDER BY (c.status = 'open') DESC, (a.login = 'anna') DESC, o.id DESC LIMIT 1
), told AS (
    UPDATE interaction AS i SET state = $2, body = i.body || jsonb_build_object('error',
        jsonb_build_object('class', $3::text, 'code', $4::text, 'text', $5::text))
    FROM one WHERE i.id = one.interaction_id
)
UPDATE outbound AS o SET state = $2, error_class = $3, error_code = $4, error = $5, delivered_at = NULL,
    sent_at = CASE WHEN $2 = 'failed' THEN NULL ELSE o.sent_at END
FROM one WHERE o.id = one.id
"""
FAILURES: tuple[tuple[str, str, str, str, str], ...] = (
    ("smsc", "failed", "permanent", "13", "Номер не обслуживается"),
    ("telegram", "in_doubt", "in_doubt", "", "Связь оборвалась после отправки: дошло ли сообщение, неизвестно"),
)
_OFFER = "INSERT INTO transfer (conversation_id, from_agent_id, to_agent_id, reason, at) VALUES ($1, $2, $3, $4, $5)"
_LOOK_IN = """
INSERT INTO conversation_participant (conversation_id, agent_id, why) VALUES ($1, $2, 'offered') ON CONFLICT DO NOTHING
"""
_PAST_OFFERS = """
INSERT INTO transfer (conversation_id, from_agent_id, to_agent_id, reason, state, answer, at, answered_at)
SELECT c.id, $1, $2, $3, $4, $5, c.last_at - interval '20 minutes', c.last_at - interval '15 minutes'
FROM conversation AS c WHERE c.assignee_id = $2 AND c.status = 'resolved' AND c.kind = 'message'
ORDER BY c.last_at DESC OFFSET 4 LIMIT 1
"""
_CONSENT = "INSERT INTO consent (contact_id, channel_kind, purpose, given, source, at) VALUES ($1, $2, $3, $4, $5, $6)"
_DUE = """
UPDATE conversation AS c SET frt_due_at = c.last_in_at + make_interval(secs => greatest(q.frt_s, 600))
FROM queue AS q
WHERE q.id = coalesce(c.queue_id, (SELECT d.id FROM queue AS d WHERE d.is_default))
  AND c.status = 'open' AND c.first_response_at IS NULL
"""


async def add_work(connection: Connection, agents: Mapping[str, UUID], now: datetime, rng: random.Random) -> None:
    """Inside the transaction that filled the history; `now` is its end."""
    for login, enough in ENOUGH.items():
        held = len(await connection.fetch(_HELD, login))
        await connection.execute(_REOPEN, login, max(enough - held, 0))
    await _tasks(connection, agents, now)
    await _notes(connection, agents, now)
    await _offers(connection, agents, now)
    for login, until in (("anna", timedelta(hours=3)), ("anna", timedelta(hours=19)), ("boris", timedelta(days=2))):
        await connection.execute(_SNOOZE, login, now + until)
    for failure in FAILURES:
        await connection.execute(_FAIL, *failure)
    await connection.execute(_DUE)
    await _consents(connection, agents, now, rng)
    cards = [row["id"] for row in await connection.fetch("SELECT id FROM contact ORDER BY id DESC LIMIT 3")]
    await suggest_doubles(connection, cards)


async def _tasks(connection: Connection, agents: Mapping[str, UUID], now: datetime) -> None:
    whose = {who: [row["id"] for row in await connection.fetch(_CLIENTS, who)] for who in agents}
    everybody = [one for found in whose.values() for one in found]
    rows = []
    for todo in TODO:
        due = (now + timedelta(hours=todo.due_h)).replace(second=0, microsecond=0)
        clients = whose[todo.who] or everybody
        about = clients[todo.nth % len(clients)] if clients and todo.kind != "meeting" else None
        remind = due - timedelta(minutes=15) if due - timedelta(minutes=15) > now else None
        who, by = agents[todo.who], agents[todo.by or todo.who]
        rows.append((todo.kind, todo.title, todo.text, about, who, by, due, remind, now - timedelta(hours=30)))
    await connection.executemany(_TASK, rows)
    done = [
        (
            title,
            result,
            agents[who],
            now - timedelta(hours=ago - 2),
            now - timedelta(hours=ago),
            now - timedelta(days=9),
        )
        for who, title, result, ago in DONE
    ]
    await connection.executemany(_DONE, done)
    await connection.execute(_OWED, now)


async def _notes(connection: Connection, agents: Mapping[str, UUID], now: datetime) -> None:
    """Each in another open conversation, oldest first."""
    used: set[UUID] = set()
    for author, named, text, minutes_ago in MENTIONS:
        held = [row for row in await connection.fetch(_HELD, author) if row["id"] not in used]
        held = held or [row for row in await connection.fetch(_HELD, named) if row["id"] not in used]
        if not held:
            continue
        row, at = held[0], now - timedelta(minutes=minutes_ago)
        used.add(row["id"])
        body: dict[str, Any] = {"sender": {"kind": "agent", "value": str(agents[author])}}
        where = (row["channel_id"], row["id"], row["contact_id"], row["identity_id"])
        note_id = await connection.fetchval(_NOTE, at, *where, agents[author], text, body)
        await add_mentions(connection, [agents[named]], conversation_id=row["id"], interaction_id=note_id, at=at)


async def _offers(connection: Connection, agents: Mapping[str, UUID], now: datetime) -> None:
    """Work that waits for a yes; and a draft that somebody left."""
    for giver, receiver, reason in OFFERS:
        held = await connection.fetch(_HELD, giver)
        if held:
            conversation_id = held[-1]["id"]
            await connection.execute(
                _OFFER, conversation_id, agents[giver], agents[receiver], reason, now - timedelta(minutes=12)
            )
            await connection.execute(_LOOK_IN, conversation_id, agents[receiver])
    past = (
        ("boris", "anna", "Клиентка просит тебя", "accepted", ""),
        ("anna", "boris", "Доставка", "returned", "Я на смене до двух"),
    )
    for giver, receiver, reason, state, answer in past:
        await connection.execute(_PAST_OFFERS, agents[giver], agents[receiver], reason, state, answer)
    mine = await connection.fetch(_HELD, "anna")
    if len(mine) > 1:
        draft = {"kind": "message", "text": "Здравствуйте! Уточнила у кондитера: ", "attachments": [], "meta": {}}
        await save_draft(connection, agents["anna"], mine[1]["id"], draft)


async def _consents(connection: Connection, agents: Mapping[str, UUID], now: datetime, rng: random.Random) -> None:
    """Most agreed to hear of their orders, half to advertising, some took that back."""
    rows: list[tuple[Any, ...]] = []
    for row in await connection.fetch("SELECT id, kind FROM contact ORDER BY id"):
        source = {
            "by": f"agent:{agents['anna']}",
            "how": rng.choice(("форма на сайте", "по телефону", "анкета в кафе")),
        }
        at = now - timedelta(days=rng.randint(3, 300))
        if rng.random() < 0.8:
            rows.append((row["id"], "", "service", True, source, at))
        if rng.random() < 0.55:
            kind = rng.choice(("", "phone", "telegram", "email"))
            rows.append((row["id"], kind, "marketing", True, source, at))
            if rng.random() < 0.12:
                said = source | {"how": "ответил «стоп»"}
                rows.append((row["id"], kind, "marketing", False, said, at + timedelta(days=2)))
    await connection.executemany(_CONSENT, rows)
