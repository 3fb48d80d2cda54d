"""Who is in the demo: the staff, and the clients with their addresses, companies, owners and tags. Seeded."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from commands.demo.phrases import QueueKey
from storage.staff import Role

FIRM = "Пекарня Матвея, Великий Новгород"
SHOPS = ("Большая Санкт-Петербургская", "Фёдоровский ручей")
CLIENTS = 200
COMPANIES = 24


@dataclass(frozen=True)
class Person:
    """One of the staff. `queues`: where he works; `extension`: his short number."""

    login: str
    name: str
    role: Role
    shop: str = ""
    skills: tuple[str, ...] = ()
    queues: tuple[QueueKey, ...] = ()
    extension: str = ""
    capacity: dict[str, int] = field(default_factory=lambda: {"message": 8, "email": 10, "form": 10, "call": 1})
    deputy: str = ""
    """Away now, and who has his work."""


STAFF: tuple[Person, ...] = (
    Person("matvey", "Матвей Пекарев", "admin"),
    Person("olga", "Ольга Лебедева", "supervisor", extension="100"),
    Person("anna", "Анна Белова", "agent", SHOPS[0], ("торты",), ("cakes", "retail"), "101"),
    Person("boris", "Борис Громов", "agent", SHOPS[0], ("торты",), ("cakes", "retail"), "102"),
    Person("vera", "Вера Соколова", "agent", SHOPS[1], ("торты", "опт"), ("cakes", "retail", "wholesale"), "201"),
    Person("gleb", "Глеб Зимин", "agent", SHOPS[1], ("опт",), ("retail", "wholesale"), "202", deputy="vera"),
)
LOGINS = (("operator", "anna"), ("supervisor", "olga"), ("admin", "matvey"))
"""Whom the log-in page offers at one click."""

AGENTS = tuple(person.login for person in STAFF if person.role == "agent")


@dataclass
class Client:
    """`works_at`: a company's place in the list; `talks`: how often he writes, relative to others."""

    name: str
    company: bool = False
    works_at: int | None = None
    phone: str = ""
    email: str = ""
    telegram: int = 0
    username: str = ""
    owner: str = ""
    tags: list[str] = field(default_factory=list)
    vip: bool = False
    birthday: date | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    talks: float = 1.0


def _words(text: str, between: str = " ") -> list[str]:
    return text.split(between)


MEN = _words(
    "Алексей Андрей Артём Виктор Владимир Георгий Денис Дмитрий Евгений Егор Иван Игорь Илья Кирилл Константин Максим "
    "Михаил Никита Николай Олег Павел Пётр Роман Сергей Степан Тимофей Фёдор Юрий"
)
WOMEN = _words(
    "Александра Алёна Алина Валентина Варвара Галина Дарья Евгения Екатерина Елена Жанна Зинаида Ирина Кира Ксения "
    "Лариса Людмила Марина Мария Надежда Наталья Нина Оксана Полина Светлана София Татьяна Юлия"
)
FAMILIES = _words(
    "Абрамов Алёшин Антипов Баранов Богданов Васильев Власов Волков Гаврилов Голубев Гусев Данилов Ежов Ершов Журавлёв "
    "Зайцев Захаров Ильин Калинин Карпов Киселёв Козлов Комаров Королёв Крылов Кузьмин Ларин Лаптев Макаров Марков "
    "Медведев Миронов Морозов Наумов Никитин Новиков Орлов Осипов Панов Петухов Поляков Рогов Рябов Савин Семёнов Сидоров "
    "Соловьёв Сорокин Тарасов Титов Трофимов Уваров Ушаков Филатов Фомин Чернов Шилов Щукин Юдин Яковлев"
)
FIRMS = _words(
    "Кафе «Ярослав» · Столовая № 5 · Гостиница «Волхов-Двор» · Детский сад «Теремок» · ООО «Причал» · Кофейня «Зерно» · "
    "Школа № 8 · Магазин «У дома» · Турфирма «Ильмень» · ООО «Сфера» · Лицей «Рюрик» · Ресторан «Вече» · "
    "Санаторий «Роща» · Бар «Садко» · ООО «Сканди» · Пиццерия «Дуэт» · Библиотека «Читай-город» · Фитнес «Атлант» · "
    "ИП Чижов · Кинотеатр «Россия» · Музейное кафе «Ладья» · Автосалон «Маршрут» · Клиника «Забота» · Отель «Софийский»",
    " · ",
)
LATIN = str.maketrans(
    dict(
        zip(
            "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
            _words("a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh sch  y  e yu ya"),
            strict=True,
        )
    )
)
SOURCES: tuple[dict[str, Any], ...] = (
    {"utm_source": "yandex", "utm_medium": "cpc", "utm_campaign": "торты-новгород"},
    {"utm_source": "vk", "utm_medium": "social"},
    {"utm_source": "2gis"},
    {"referrer": "рекомендация"},
    {"utm_source": "instore", "utm_medium": "qr"},
)


def clients(rng: random.Random, today: date) -> list[Client]:
    """Companies first, then people; `works_at` is a place in this list."""
    found = [_company(rng, n, today) for n in range(COMPANIES)]
    names: set[str] = set()
    for n in range(COMPANIES, CLIENTS):
        name = _name(rng, names)
        found.append(_person(rng, n, name, today))
    # Two clients twice, one in the other alphabet, as it happens in every base: doubles for the hub to find.
    found[-1].name = found[COMPANIES].name
    found[-2].name = found[COMPANIES + 1].name.lower().translate(LATIN).title()
    return found


def _name(rng: random.Random, taken: set[str]) -> str:
    while True:
        woman = rng.random() < 0.6
        name = f"{rng.choice(WOMEN if woman else MEN)} {rng.choice(FAMILIES)}{'а' if woman else ''}"
        if name not in taken:
            taken.add(name)
            return name


def _slug(name: str) -> str:
    latin = name.lower().translate(LATIN)
    return ".".join("".join(c for c in word if c.isalnum()) for word in latin.split() if any(c.isalnum() for c in word))


STREETS = _words(
    "ул. Прусская, 12 · Воскресенский бульвар, 4 · ул. Кочетова, 31, кв. 18 · ул. Ломоносова, 7 · ул. Зелинского, 40, кв. 5"
    " · наб. Александра Невского, 22 · ул. Большая Московская, 15 · ул. Свободы, 9, кв. 3 · пр. Мира, 26, кв. 71",
    " · ",
)


def _habits(rng: random.Random, *, regular: bool) -> dict[str, Any]:
    """What the shop knows of a person."""
    custom: dict[str, Any] = {}
    if regular:
        custom |= {"favourite": rng.choice(("«Прага»", "«Медовик»", "ржаной хлеб", "эклеры")), "discount": 5}
    if regular or rng.random() < 0.2:
        custom["address" if rng.random() < 0.6 else "pickup"] = rng.choice(STREETS)
    if "pickup" in custom:
        custom["pickup"] = True
    if rng.random() < 0.12:
        custom["allergy"] = rng.choice(("орехи", "мёд", "глютен", "арахис", "кунжут", "молоко"))
    return custom


def _company(rng: random.Random, n: int, today: date) -> Client:
    return Client(
        FIRMS[n],
        company=True,
        phone=f"+7816200{1000 + n * 37}",
        telegram=5_200_000_000 + n if n % 2 else 0,
        email=f"zakaz{n + 1}@example.com",
        owner=rng.choice(("vera", "gleb", "gleb")),
        tags=["опт"],
        vip=n < 4,
        custom={
            "contract": f"ОПТ-{112 + n}",
            "deferral": rng.choice((0, 7, 14)),
            "discount": rng.choice((8, 12, 12, 15)),
            "shipping_from": (today - timedelta(days=30 * rng.randint(3, 40))).isoformat(),
            "address": rng.choice(STREETS),
            "site": f"https://firm{n + 1}.example",
        },
        source=rng.choice(SOURCES),
        talks=2.0,
    )


def _person(rng: random.Random, n: int, name: str, today: date) -> Client:
    regular, vip = rng.random() < 0.35, rng.random() < 0.06
    born = today.replace(year=today.year - rng.randint(20, 70), day=1) + timedelta(days=rng.randint(0, 364))
    has_telegram = rng.random() < 0.75
    return Client(
        name,
        works_at=rng.randrange(COMPANIES) if rng.random() < 0.18 else None,
        phone=f"+7900{6000000 + n * 7919 % 999983:07d}",
        email=f"{_slug(name)}@example.org" if rng.random() < 0.55 else "",
        telegram=5_200_000_000 + n if has_telegram else 0,
        username=_slug(name).replace(".", "_") if has_telegram and rng.random() < 0.6 else "",
        owner=rng.choice(AGENTS[:3]) if regular or vip else "",
        tags=[tag for tag, has in (("постоянный", regular), ("VIP", vip)) if has],
        vip=vip,
        birthday=born if rng.random() < 0.6 else None,
        custom=_habits(rng, regular=regular),
        source=rng.choice(SOURCES),
        talks=3.0 if regular else 1.0,
    )
