"""How the bakery has set up its workplace: fields of its cards, outcomes, canned answers, lists, absences, and who did it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from commands.demo.cast import FIRM
from router.wrapup import KEY as WRAP_UP
from storage.db import Connection
from storage.workspace import KEY as WORKSPACE
from storage.workspace import write_setting

FIELDS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("address", "Адрес доставки", "text", ()),
    ("allergy", "Аллергия", "choice", ("орехи", "мёд", "глютен", "арахис", "кунжут", "молоко")),
    ("favourite", "Любимое", "text", ()),
    ("discount", "Скидка, %", "number", ()),
    ("contract", "Договор", "text", ()),
    ("deferral", "Отсрочка, дней", "number", ()),
    ("shipping_from", "Отгрузка с", "date", ()),
    ("pickup", "Забирает сам", "flag", ()),
    ("site", "Сайт", "link", ()),
)
OUTCOMES: dict[str, tuple[str, ...]] = {
    "conversation": (
        *("заказ оформлен", "заказ изменён", "заявка принята", "отложено", "доставлено", "дегустация"),
        *("консультация", "справка", "жалоба решена", "завершён", "спам"),
    ),
    "call": (
        "заказ принят",
        "консультация",
        "жалоба",
        "перезвонить позже",
        "не дозвонились",
        "ошиблись номером",
        "спам",
    ),
}

CANNED: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("привет", "Приветствие", "Здравствуйте, {name}! Это {agent}, пекарня Матвея. Чем могу помочь?", ()),
    (
        "часы",
        "Часы и адреса",
        "Мы на Большой Санкт-Петербургской, 28 и на Фёдоровском ручье, 6. Каждый день с 7:00 до 23:00.",
        (),
    ),
    (
        "доставка",
        "Условия доставки",
        "Доставляем по городу с 9:00 до 21:00. От 2 500 ₽ бесплатно, иначе 250 ₽. Курьер позвонит за полчаса.",
        (),
    ),
    (
        "предоплата",
        "Предоплата торта",
        "{name}, для торта на заказ нужна предоплата 50 %. Ссылка придёт в SMS, остальное при получении.",
        (),
    ),
    (
        "аллергия",
        "Состав и аллергии",
        "Торты без глютена и орехов печём в отдельном цехе по вторникам и пятницам. В рознице возможны следы.",
        (),
    ),
    (
        "извините",
        "Ответ на жалобу",
        "{name}, простите нас, пожалуйста. Разберусь сегодня же и напишу вам до 18:00. {agent}",
        (),
    ),
    (
        "прайс",
        "Оптовый прайс",
        "Добрый день, {name}! Прайс для {company} во вложении. От 50 штук скидка 12 %, отгрузка с 6:00.",
        ("email", "telegram"),
    ),
    ("дегустация", "Дегустация", "Дегустация свадебных тортов по средам в 17:00, четыре начинки. Записать вас?", ()),
    (
        "самовывоз",
        "Самовывоз",
        "{name}, заказ готов и ждёт вас на кассе. Назовите номер или фамилию.",
        ("smsc", "telegram"),
    ),
    ("спасибо", "Прощание", "Спасибо, что выбрали нас! Приятного чаепития.", ()),
)
OWN_CANNED = (
    ("начинки", "Мои советы по начинкам", "Чаще всего берут «Прагу» и «Три шоколада», детям «Медовик» без мёда."),
)

VIEWS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("conversation", "Жалобы", {"tag": "жалоба", "status": "open,pending,snoozed"}),
    ("conversation", "Свадьбы", {"tag": "свадьба"}),
    ("conversation", "Опт", {"tag": "опт", "status": "open,pending"}),
    ("contact", "Постоянные", {"tag": "постоянный"}),
    ("contact", "Оптовики", {"tag": "опт"}),
    ("call", "Пропущенные за неделю", {"view": "missed"}),
)


class Change(NamedTuple):
    """A line of the audit log, `days` and `hours` ago."""

    days: int
    hours: int
    who: str
    action: str
    kind: str
    before: dict[str, Any]
    after: dict[str, Any]


AUDIT: tuple[Change, ...] = (
    Change(58, 3, "matvey", "channel.created", "channel", {}, {"name": "Telegram-бот", "connector": "telegram"}),
    Change(58, 2, "matvey", "channel.created", "channel", {}, {"name": "Телефон", "connector": "mango"}),
    Change(57, 5, "matvey", "agent.created", "agent", {}, {"name": "Ольга Лебедева", "role": "supervisor"}),
    Change(57, 4, "olga", "agent.created", "agent", {}, {"name": "Анна Белова", "role": "agent"}),
    Change(57, 3, "olga", "agent.extension_set", "agent", {}, {"extension": "101"}),
    Change(40, 6, "olga", "queue.changed", "queue", {"frt_s": 900}, {"frt_s": 300}),
    Change(33, 2, "matvey", "field.created", "field", {}, {"label": "Аллергия"}),
    Change(21, 7, "olga", "canned.changed", "canned", {"title": "Доставка"}, {"title": "Условия доставки"}),
    Change(12, 1, "olga", "rule.saved", "rule", {}, {"name": "Торты и праздники"}),
    Change(3, 4, "olga", "absence.entered", "agent", {}, {"reason": "отпуск", "deputy": "Вера Соколова"}),
    Change(1, 5, "olga", "disposition.created", "disposition", {}, {"name": "ошиблись номером"}),
    Change(0, 2, "matvey", "workspace.changed", "workspace", {"undo_send_s": 0}, {"undo_send_s": 5}),
)


async def furnish(connection: Connection, agents: Mapping[str, UUID], now: datetime) -> None:
    """Inside the caller's transaction, the staff being there."""
    await write_setting(connection, WORKSPACE, {"name": FIRM.partition(",")[0]})
    await write_setting(connection, WRAP_UP, {"seconds": 45})
    await connection.executemany(
        "INSERT INTO custom_field (key, label, type, options, position) VALUES ($1, $2, $3, $4, $5)",
        [(key, label, type_, list(options), n) for n, (key, label, type_, options) in enumerate(FIELDS)],
    )
    await connection.executemany(
        "INSERT INTO disposition (object, name, position) VALUES ($1, $2, $3)",
        [(obj, name, n) for obj, names in OUTCOMES.items() for n, name in enumerate(names)],
    )
    shared = [(*row, None, agents["olga"], 40 - 3 * n) for n, row in enumerate(CANNED)]
    own = [(*row, (), agents["anna"], agents["anna"], 5) for row in OWN_CANNED]
    await connection.executemany(
        "INSERT INTO canned_answer (shortcut, title, text, kinds, agent_id, updated_by, used)"
        " VALUES ($1, $2, $3, $4::text[], $5, $6, $7)",
        [(shortcut, title, text, list(kinds), *rest) for shortcut, title, text, kinds, *rest in [*shared, *own]],
    )
    await connection.executemany(
        "INSERT INTO saved_view (object, name, filters, position) VALUES ($1, $2, $3, $4)",
        [(obj, name, filters, n) for n, (obj, name, filters) in enumerate(VIEWS)],
    )
    await _absences(connection, agents, now)
    await connection.executemany(
        "INSERT INTO audit_log (at, actor, action, object_kind, object_id, before, after) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            (
                now - timedelta(days=one.days, hours=one.hours),
                f"agent:{agents[one.who]}",
                *(one.action, one.kind, str(agents["anna"]) if one.kind == "agent" else "1", one.before, one.after),
            )
            for one in AUDIT
        ],
    )


async def _absences(connection: Connection, agents: Mapping[str, UUID], now: datetime) -> None:
    """Beside the one of now (filling.py): one that is over, one to come."""
    rows = [
        ("boris", now - timedelta(days=30), now - timedelta(days=23), "vera", "больничный"),
        ("vera", now + timedelta(days=14), now + timedelta(days=21), "anna", "отпуск"),
    ]
    await connection.executemany(
        "INSERT INTO absence (agent_id, from_at, until_at, deputy_id, reason) VALUES ($1, $2, $3, $4, $5)",
        [(agents[login], since, until, agents[deputy], reason) for login, since, until, deputy, reason in rows],
    )
