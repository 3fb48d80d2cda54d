"""Russian-looking texts with the frequencies of a real language: a few words are everywhere, most are rare."""

from __future__ import annotations

import random
from collections.abc import Iterator

PHRASES = ["добрый день", "день рождения", "свадебный торт", "на завтра", "большое спасибо", "номер заказа"]
"""Words that come together: their number can't be guessed from that of each."""

FREQUENT = [
    *("здравствуйте", "подскажите", "заказ", "торт", "доставка", "завтра", "сколько", "стоит", "спасибо", "адрес"),
    *("перезвоните", "оплата", "суббота", "клубника", "человек", "скидка", "магазин", "открыты", "пожалуйста", "можно"),
    *("день", "рождения", "детский", "шоколад", "начинка", "ваниль", "начало", "курьер", "время", "вечер", "утро"),
    *("добрый", "хорошо", "счёт", "карта", "наличные", "вопрос", "ответ", "фото", "эклер", "пирог", "свадьба", "ягоды"),
    *("крем", "вишня", "малина", "кило", "грамм", "цена", "номер", "телефон", "улица", "подъезд", "квартира", "этаж"),
]
CONSONANTS = (*"бвгджзклмнпрстфхчш", "ст", "пр", "тр", "кр", "сл", "гр", "вл")
VOWELS = "аоуиеяюы"
ENDINGS = (
    "ка",
    "ник",
    "ость",
    "ение",
    "тель",
    "ный",
    "ная",
    "ский",
    "ать",
    "ить",
    "ица",
    "ок",
    "ец",
    "ун",
    "ом",
    "ами",
)
VOCABULARY = 40_000
SHORTEST, LONGEST = 3, 40


def vocabulary() -> list[str]:
    """The most frequent first; always the same."""
    rng = random.Random(7)
    words = dict.fromkeys([*FREQUENT[:20], *PHRASES, *FREQUENT[20:]])
    while len(words) < VOCABULARY:
        stem = "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(rng.choice((2, 2, 3))))
        words[stem + rng.choice(ENDINGS)] = None
    return list(words)


class Language:
    """Word number n comes up in proportion to 1 / (n + 3) (Zipf)."""

    def __init__(self, seed: int) -> None:
        self.words = vocabulary()
        self._rng = random.Random(seed)
        self._weights: list[float] = []
        total = 0.0
        for rank in range(VOCABULARY):
            total += 1 / (rank + 3)
            self._weights.append(total)

    def texts(self, count: int) -> Iterator[str]:
        """Short ones are common, long ones rare: 12 words on average."""
        sizes = [min(LONGEST, SHORTEST + int(self._rng.expovariate(1 / 9.5))) for _ in range(count)]
        words = self._rng.choices(self.words, cum_weights=self._weights, k=sum(sizes))
        at = 0
        for size in sizes:
            yield " ".join(words[at : at + size])
            at += size
