"""Long messages in pieces: joined whatever the order, each once, and shown with gaps when a piece never comes."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator

import pytest

from connectors import registry
from router.parts import give_up_waiting
from storage.bus import Topic
from storage.store import Store
from tests.pipeline.pipe import Pipe, flowing


@pytest.fixture
async def pieces(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pipe]:
    """A channel of a connector that was added by one line."""
    monkeypatch.setitem(registry.MODULES, "pieces", "tests.pipeline.pieces")
    async with flowing(store, connector="pieces", settings={}) as found:
        yield found


def piece(n: int, of: int, text: str, *, ref: str = "42", phone: str = "+79161234567") -> bytes:
    item = {
        "kind": "message",
        "direction": "in",
        "external_id": f"{phone}-{ref}-{n}",
        "sender": {"kind": "phone", "value": phone},
        "text": text,
        "part": {"ref": ref, "n": n, "of": of},
        "thread_key": phone,
    }
    return json.dumps([item]).encode()


async def test_pieces_in_any_order_become_one_message(pieces: Pipe) -> None:
    """Three pieces, shuffled, one of them told twice, are one message of one contact."""
    bodies = [piece(n, 3, text) for n, text in ((1, "Здравствуйте, "), (2, "торт "), (3, "готов?"))]
    random.shuffle(bodies)
    await pieces.give(*bodies, bodies[0])
    assert await pieces.texts() == ["Здравствуйте, торт готов?"]
    assert await pieces.rows("SELECT FROM part_buffer") == []
    assert len(await pieces.rows("SELECT FROM contact")) == 1


async def test_two_clients_may_use_one_reference(pieces: Pipe) -> None:
    """Pieces of different senders are never mixed; one commit may bring all of them."""
    other = "+79160000001"
    await pieces.together(
        [piece(2, 2, "б"), piece(1, 2, "x", phone=other), piece(1, 2, "а"), piece(2, 2, "y", phone=other)]
    )
    await pieces.done()
    assert sorted(await pieces.texts()) == ["xy", "аб"]


async def test_a_piece_that_never_comes_hides_nothing(pieces: Pipe) -> None:
    """After the wait the others are shown, the gap marked; before it, nothing."""
    await pieces.give(piece(1, 3, "Начало"), piece(3, 3, "конец"))
    assert await pieces.texts() == []
    async with pieces.store.pool.acquire() as connection:
        await connection.execute("UPDATE part_buffer SET at = now() - interval '1 hour'")
        await give_up_waiting(connection)
    pieces.store.bus.notify(Topic.TODO)
    await pieces.done()
    assert await pieces.texts() == ["Начало […] конец"]
    [row] = await pieces.rows("SELECT body FROM interaction")
    assert row["body"]["meta"]["parts_missing"] == 1
