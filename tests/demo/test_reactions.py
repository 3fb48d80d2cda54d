"""A client answers a person sensibly: to the point where he understands it, a few times, and says goodbye."""

from __future__ import annotations

import random

import pytest

from commands.demo.reactions import BYE, LAST, reply_to


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Сколько гостей будет?", "человек|Человек"),
        ("Сделать надпись?", "надписи|Напишите"),
        ("К какому числу нужен торт?", "субботе|Завтра"),
        ("Простите нас, пожалуйста!", "Надеюсь|бывает"),
        ("Напомните номер заказа", "4417|Номер"),
    ],
)
def test_to_the_point(asked: str, words: str) -> None:
    """Whichever of the fitting answers is chosen."""
    for seed in range(8):
        reply = reply_to(random.Random(seed), asked, 0)
        assert any(word in reply for word in words.split("|")), reply


def test_not_for_ever() -> None:
    """He thanks at the end, and then is silent: a demo must not talk to itself."""
    rng = random.Random(1)
    said = [reply_to(rng, "Хорошо?", n) for n in range(LAST + 2)]
    assert all(said[: LAST - 1])
    assert said[LAST - 1] in BYE
    assert said[LAST:] == ["", ""]
