"""Why a row of somebody's table was refused, in the language of whoever reads it: the hub itself says it in English."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

Language = Literal["ru", "en"]
HEADINGS: Mapping[Language, tuple[str, str]] = {"en": ("row", "reason"), "ru": ("Строка", "Причина")}
_ADDRESSES = {"phone": "телефон", "email": "адрес почты", "telegram_username": "имя в Telegram"}
_EXPECTED = {
    "text of at most": "нужен текст покороче",
    "a number": "нужно число",
    "a date": "нужна дата, например 25.11.2026",
    "one of the field's options": "нужен один из вариантов этого поля",
    "yes or no": "нужно «да» или «нет»",
    "an address that begins with": "нужна ссылка, которая начинается с https:// или http://",
}


def _field(found: re.Match[str]) -> str:
    said = next((text for start, text in _EXPECTED.items() if found[2].startswith(start)), found[2])
    return f"поле {found[1]}: {said}"


_RU: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"neither a name nor an address"), lambda _: "нет ни имени, ни адреса"),
    (re.compile(r"the name is longer than (\d+) characters"), lambda m: f"имя длиннее {m[1]} знаков"),
    (re.compile(r"not a birthday: (.*)", re.DOTALL), lambda m: f"не дата рождения: {m[1]}"),
    (
        re.compile(r"not a (phone|email|telegram_username): (.*)", re.DOTALL),
        lambda m: f"не {_ADDRESSES[m[1]]}: {m[2]}",
    ),
    (re.compile(r"no agent is called (.*)", re.DOTALL), lambda m: f"нет сотрудника с именем или логином {m[1]}"),
    (re.compile(r"vip: expected yes or no, not (.*)", re.DOTALL), lambda m: f"VIP: нужно «да» или «нет», а не {m[1]}"),
    (re.compile(r"custom\.(\w+): expected (.*)", re.DOTALL), _field),
)


def reason_in(language: Language, reason: str) -> str:
    """A reason that is not known here stays as it is."""
    if language == "ru":
        for pattern, say in _RU:
            if found := pattern.fullmatch(reason):
                return say(found)
    return reason
