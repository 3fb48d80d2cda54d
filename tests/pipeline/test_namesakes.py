"""Two different letters with one Message-ID are two letters; one letter twice is one."""

from __future__ import annotations

import json

import pytest

from connectors import registry
from storage.store import Store
from tests.pipeline.pipe import flowing


def letter(text: str) -> bytes:
    item = {
        "kind": "message",
        "direction": "in",
        "external_id": "same@example.com",
        "sender": {"kind": "email", "value": "anna@example.com"},
        "text": text,
        "thread_key": "t",
        "meta": {"fingerprint": text.casefold()},
    }
    return json.dumps([item]).encode()


async def test_one_id_two_contents(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one batch or in several, each content stands once, whatever the order; a replay changes nothing."""
    monkeypatch.setitem(registry.MODULES, "pieces", "tests.pipeline.pieces")
    async with flowing(store, connector="pieces", settings={}) as pipe:
        await pipe.together([letter("Первое"), letter("Второе")])
        await pipe.done()
        await pipe.give(letter("Первое") + b" ", letter("Третье"), letter("Второе") + b" ")
        assert sorted(await pipe.texts()) == ["Второе", "Первое", "Третье"]
        entries = [row["entry_id"] for row in await pipe.rows("SELECT entry_id FROM journal_result")]
        await pipe.replay(*entries)
        assert sorted(await pipe.texts()) == ["Второе", "Первое", "Третье"]
        assert {row["n"] for row in await pipe.rows("SELECT cardinality(interactions) AS n FROM journal_result")} == {1}
