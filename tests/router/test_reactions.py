"""Reactions on a message: several of one person, several persons, put and taken back."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from connectors import registry
from storage.store import Store
from tests.pipeline.pipe import CHAT, Pipe, flowing, message


@pytest.fixture
async def pipe(store: Store) -> AsyncIterator[Pipe]:
    async with flowing(store) as found:
        yield found


def change(number: int, old: Sequence[str], new: Sequence[str], *, by: int = CHAT) -> dict[str, Any]:
    body = {
        "message_id": 1,
        "date": int(time.time()),
        "chat": {"id": CHAT, "type": "private"},
        "user": {"id": by, "is_bot": False, "first_name": "Анна"},
        "old_reaction": [{"type": "emoji", "emoji": one} for one in old],
        "new_reaction": [{"type": "emoji", "emoji": one} for one in new],
    }
    return {"update_id": 2000 + number, "message_reaction": body}


async def _shown(pipe: Pipe) -> Any:
    return await pipe.store.pool.fetchval("SELECT body -> 'reactions' FROM interaction")


async def test_a_person_may_have_several(pipe: Pipe) -> None:
    """One put beside another stays beside it; one taken back leaves the other."""
    await pipe.give(message(1, "готово"), change(1, [], ["👍"]), change(2, ["👍"], ["👍", "🔥"]))
    assert await _shown(pipe) == {str(CHAT): ["👍", "🔥"]}
    await pipe.give(change(3, ["👍", "🔥"], ["🔥"]))
    assert await _shown(pipe) == {str(CHAT): ["🔥"]}
    await pipe.give(change(4, ["🔥"], ["❤", "👏"]))
    assert await _shown(pipe) == {str(CHAT): ["❤", "👏"]}


async def test_persons_in_one_batch(pipe: Pipe) -> None:
    """Several persons on one message at once: none overwrites another, one event tells of all."""
    await pipe.give(message(1, "готово"))
    await pipe.together([change(1, [], ["👍"]), change(2, [], ["🔥"], by=77), change(3, ["👍"], [])])
    await pipe.done()
    assert await _shown(pipe) == {"77": ["🔥"]}
    assert (await pipe.events("interaction.reaction"))[-1]["reactions"] == {"77": ["🔥"]}


async def test_one_takes_the_place_of_another_where_not_all_are_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most providers let a person have one, and tell only that it was put, or taken back."""
    monkeypatch.setitem(registry.MODULES, "plain_pbx", "tests.pipeline.plain_pbx")
    anna = {"sender": {"kind": "external", "value": "anna"}, "direction": "in", "thread_key": "t"}
    said = {"kind": "message", "external_id": "m1", "text": "готово"} | anna

    def reacts(**meta: str) -> bytes:
        item = {"kind": "reaction", "external_id": "m1", "meta": {"target_id": "m1"} | meta} | anna
        return json.dumps([item]).encode()

    async with flowing(store, connector="plain_pbx", settings={}) as pipe:
        await pipe.give(json.dumps([said]).encode(), reacts(emoji="👍"), reacts(emoji="🔥", action="add"))
        assert await _shown(pipe) == {"anna": ["🔥"]}
        await pipe.give(reacts(action="remove"))
        assert await _shown(pipe) == {}
