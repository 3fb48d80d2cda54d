"""From a payload to the stream (P2, P3, P5): what counts as the same, what comes first, what speaks of what."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.errors import BadPayload
from connectors.base import Class
from router import owner as owner_module
from storage.journal import INLINE_BYTES, NewEntry, unique_key
from storage.store import Store
from tests.pipeline.pipe import CHAT, Pipe, edited, flowing, membership, message, reaction


async def test_the_same_words_twice_are_two_messages(pipe: Pipe) -> None:
    """A client who writes "да" twice is heard twice; the same update again is not."""
    assert await pipe.give(message(1, "да"), message(2, "да"), message(1, "да")) == [True, True, False]
    assert await pipe.texts() == ["да", "да"]
    assert len(await pipe.events()) == 2


async def test_the_same_update_many_times_in_one_batch(pipe: Pipe) -> None:
    """One interaction, and exactly one of the callers is told that it was new."""
    async with asyncio.TaskGroup() as tasks:
        entry = pipe.entry(message(1, "раз"))
        kept = [tasks.create_task(pipe.writer.keep(entry), name=f"keep {n}") for n in range(50)]
    await pipe.done()
    assert sorted(task.result() for task in kept) == [False] * 49 + [True]
    assert await pipe.texts() == ["раз"]


async def test_one_message_under_two_update_ids(pipe: Pipe) -> None:
    """Telegram may number anew after a quiet week: the chat's message id tells that it is known, also in one batch."""
    again = message(1, "привет") | {"update_id": 9_000_000}
    await pipe.together([message(1, "привет"), again, message(2, "вы тут?")])
    await pipe.done()
    assert await pipe.texts() == ["привет", "вы тут?"]
    rows = await pipe.rows("SELECT interactions FROM journal_result ORDER BY entry_id")
    assert rows[0]["interactions"] == rows[1]["interactions"]


async def test_a_payload_without_an_id_counts_once_within_its_window(pipe: Pipe) -> None:
    """Its digest is its key for ten minutes, then the same bytes are a new payload."""
    assert await pipe.give(b"{not json", b"{not json") == [True, False]
    await pipe.rows("UPDATE journal_dedup SET expires_at = now() - interval '1 second'")
    assert await pipe.give(b"{not json") == [True]
    assert await pipe.states() == ["failed", "failed"]


async def test_a_payload_the_database_refuses_costs_no_other(pipe: Pipe) -> None:
    """The row with a NUL in its request is refused as malformed; those of the same commit are kept."""
    bad = NewEntry(pipe.channel.id, unique_key(), 1, request={"path": "/\x00"})
    surrogate = NewEntry(pipe.channel.id, unique_key(), 1, request={"headers": {"x": "\udcff"}})
    async with asyncio.TaskGroup() as tasks:
        good = [tasks.create_task(pipe.writer.keep(pipe.entry(message(n, str(n)))), name=f"keep {n}") for n in (1, 2)]
        for entry in (bad, surrogate):
            with pytest.raises(BadPayload):
                await pipe.writer.keep(entry)
    assert [task.result() for task in good] == [True, True]
    await pipe.done()
    assert await pipe.texts() == ["1", "2"]


# ---------------------------------------------------------------- order


@pytest.mark.parametrize(("year", "kept_days"), [(1998, 7), (2099, 0)])
async def test_wrong_clocks(pipe: Pipe, year: int, kept_days: int) -> None:
    """A message dated 1998 stands a week before it came, one dated 2099 at the moment it came; the true date is kept."""
    told = datetime(year, 5, 1, 12, tzinfo=UTC)
    await pipe.give(message(1, "когда?", at=told.timestamp()))
    row = (await pipe.rows("SELECT order_at, received_at, sent_at FROM interaction"))[0]
    assert row["sent_at"] == told
    assert row["order_at"] == row["received_at"] - timedelta(days=kept_days)


async def test_messages_of_one_second_keep_their_order(pipe: Pipe) -> None:
    """Delayed by an outage, all of one second, taken in one batch: the provider's own numbers order them."""
    at = time.time() - 3600
    await pipe.together([message(n, str(n), at=at) for n in range(1, 31)])
    await pipe.done()
    assert await pipe.texts() == [str(n) for n in range(1, 31)]
    assert [event["interaction"]["text"] for event in await pipe.events()] == [str(n) for n in range(1, 31)]


async def test_live_before_bulk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live messages pass an archive that came before them; the archive keeps its own order meanwhile and after."""
    monkeypatch.setattr(owner_module, "BATCH", 20)
    monkeypatch.setattr(owner_module, "BULK_BATCH", 10)
    async with flowing(store, working=False) as pipe:
        await pipe.together([message(n, f"old {n}") for n in range(1, 401)], klass=Class.BULK)
        await pipe.together([message(n, f"now {n}", chat=CHAT + 1) for n in range(501, 551)])
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(pipe.worker.run(), name="worker")
            await pipe.done()
            working.cancel()
        told = [event["interaction"]["text"] for event in await pipe.events()]
    assert [text for text in told if "now" in text] == [f"now {n}" for n in range(501, 551)]
    assert [text for text in told if "old" in text] == [f"old {n}" for n in range(1, 401)]
    assert told.index("now 550") < 60, "within three batches of twenty"


# ---------------------------------------------------------------- what speaks of a message


async def test_an_edit_rewrites_its_message(pipe: Pipe) -> None:
    """The newest version wins whatever the order of arrival; the place in the stream stays."""
    now = time.time()
    await pipe.give(message(1, "прив"), message(2, "ку"))
    await pipe.give(edited(4, 1, "привет!", at=now + 2))
    await pipe.give(edited(3, 1, "привет", at=now + 1))
    assert await pipe.texts() == ["привет!", "ку"]
    assert [event["text"] for event in await pipe.events("interaction.edited")] == ["привет!"]


async def test_edits_in_one_batch_with_their_message(pipe: Pipe) -> None:
    """Two edits of one second in the message's own batch: the last one stands."""
    now = time.time()
    await pipe.together([message(1, "а"), edited(2, 1, "б", at=now), edited(3, 1, "в", at=now)])
    await pipe.done()
    assert await pipe.texts() == ["в"]
    assert await pipe.states() == ["done"] * 3


async def test_an_edit_before_its_message(pipe: Pipe) -> None:
    """It is taken as the message; when the message comes after all, nothing is shown twice and nothing goes back."""
    await pipe.give(edited(2, 1, "исправлено", at=time.time()))
    await pipe.give(message(1, "с ашипкой"))
    assert await pipe.texts() == ["исправлено"]
    assert len(await pipe.events()) == 1


async def test_a_deleted_message_stays_as_deleted(pipe: Pipe) -> None:
    """The row tells it; an edit that comes late doesn't bring it back. Of a message never seen: ignored, with a reason."""
    business = {"business_connection_id": "b1", "chat": {"id": CHAT, "type": "private", "first_name": "Анна"}}
    sender = {"id": CHAT, "is_bot": False, "first_name": "Анна"}
    written = {"message_id": 1, "date": int(time.time()), "from": sender, "text": "ой", **business}
    late = written | {"text": "ой!", "edit_date": int(time.time()) + 5}
    await pipe.give({"update_id": 1, "business_message": written})
    await pipe.give({"update_id": 2, "deleted_business_messages": {**business, "message_ids": [1]}})
    await pipe.give({"update_id": 3, "edited_business_message": late})
    await pipe.give({"update_id": 4, "deleted_business_messages": {**business, "message_ids": [77]}})
    row = (await pipe.rows("SELECT text, deleted_at FROM interaction"))[0]
    assert row["deleted_at"] is not None
    assert row["text"] == "ой"
    assert len(await pipe.events("interaction.deleted")) == 1
    assert await pipe.states() == ["done", "done", "done", "ignored"]
    detail = await pipe.rows("SELECT detail FROM journal_result WHERE state = 'ignored'")
    assert "never received" in detail[0]["detail"]


async def _reactions(pipe: Pipe) -> Any:
    return (await pipe.rows("SELECT body -> 'reactions' AS reactions FROM interaction"))[0]["reactions"]


async def test_reactions_come_and_go(pipe: Pipe) -> None:
    """One person's reaction is one: changed, then taken back."""
    await pipe.give(message(1, "готово"), reaction(2, 1, "", "👍"))
    assert await _reactions(pipe) == {str(CHAT): ["👍"]}
    await pipe.give(reaction(3, 1, "👍", "🔥"))
    assert await _reactions(pipe) == {str(CHAT): ["🔥"]}
    await pipe.give(reaction(4, 1, "🔥", ""))
    assert await _reactions(pipe) == {}


BLOCKED = "SELECT blocked_at IS NOT NULL AS blocked FROM identity WHERE kind = 'telegram'"


async def test_who_blocks_the_bot_is_not_written_to(pipe: Pipe) -> None:
    """Until he starts it anew; both in one batch: the last word counts."""
    await pipe.give(message(1, "стоп"), membership(2, "member", "kicked"))
    assert (await pipe.rows(BLOCKED))[0]["blocked"]
    await pipe.give(membership(3, "kicked", "member"))
    assert not (await pipe.rows(BLOCKED))[0]["blocked"]
    await pipe.together([membership(4, "member", "kicked"), membership(5, "kicked", "member")])
    await pipe.done()
    assert not (await pipe.rows(BLOCKED))[0]["blocked"]
    assert len(await pipe.texts()) == 1


# ---------------------------------------------------------------- hostile and huge


async def test_a_big_body_goes_to_the_blob_store(pipe: Pipe) -> None:
    """Over 256 KB the row holds the digest; the message reads the same."""
    await pipe.give(message(1, "большое", padding="x" * INLINE_BYTES))
    row = (await pipe.rows("SELECT body, blob FROM journal"))[0]
    assert not row["body"]
    assert len(await pipe.store.blobs.read(row["blob"])) > INLINE_BYTES
    assert await pipe.texts() == ["большое"]


async def test_characters_the_database_cannot_hold(pipe: Pipe) -> None:
    """NUL anywhere in a payload is taken out, the rest stays."""
    body = message(1, "до\x00после")
    body["message"]["from"] |= {"first_name": "А\x00н", "username": "a\x00b", "language_code": "r\x00u"}
    body["message"]["document"] = {"file_id": "f\x00", "file_unique_id": "u\x00", "file_name": "n\x00.pdf"}
    body["message"]["reply_to_message"] = {"message_id": 7}
    await pipe.give(body, message(2, "дальше"))
    assert await pipe.states() == ["done", "done"]
    assert "дальше" in await pipe.texts()
    names = await pipe.rows("SELECT name FROM contact")
    assert [row["name"] for row in names] == ["Ан"]


async def test_deep_json(pipe: Pipe) -> None:
    """A million brackets fail alone, in a field nobody reads as well."""
    deep = b"[" * 1_000_000 + b"]" * 1_000_000
    inside = b'{"update_id": 5, "message": {"x": ' + deep[:200_000] + deep[-200_000:] + b"}}"
    await pipe.give(deep, inside, message(1, "жив"))
    assert await pipe.states() == ["failed", "failed", "done"]
    assert await pipe.texts() == ["жив"]


@pytest.mark.parametrize("huge", [2**63 - 1, 2**63, 10**30, -(10**30)])
async def test_numbers_beyond_bigint(pipe: Pipe, huge: int) -> None:
    """Whatever their size, numbers fail their own entry at most; the worker and the chat go on."""
    for number, path in enumerate((("message_id",), ("date",), ("chat", "id"), ("from", "id")), 10):
        body = message(number, f"{path}")
        target = body["message"]
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = huge
        await pipe.give(body)
    await pipe.give(message(1, "x", document={"file_id": "f", "file_unique_id": "u", "file_size": huge}))
    await pipe.give(message(2, "y") | {"update_id": huge})
    await pipe.give(message(3, "жив"))
    assert "жив" in await pipe.texts()
    assert set(await pipe.states()) <= {"done", "failed"}
    assert (await pipe.states())[-1] == "done"


# ---------------------------------------------------------------- replay

EVERYTHING = """
SELECT 'interaction' AS of, to_jsonb(t) - 'search' AS row FROM interaction AS t
UNION ALL SELECT 'contact', to_jsonb(t) FROM contact AS t
UNION ALL SELECT 'identity', to_jsonb(t) FROM identity AS t
UNION ALL SELECT 'conversation', to_jsonb(t) FROM conversation AS t
UNION ALL SELECT 'assignment', to_jsonb(t) FROM assignment AS t
UNION ALL SELECT 'attachment', to_jsonb(t) FROM attachment AS t
UNION ALL SELECT 'external_ref', to_jsonb(t) FROM external_ref AS t
UNION ALL SELECT 'event', to_jsonb(t) FROM event AS t
UNION ALL SELECT 'result', to_jsonb(t) - 'at' FROM journal_result AS t
ORDER BY 1, 2
"""


async def test_replaying_what_is_done_changes_nothing(pipe: Pipe) -> None:
    """Message, file, edits, reactions, refusals: each done entry again, one by one and all at once."""
    now = time.time()
    await pipe.give(message(1, "раз"), message(2, "два", document={"file_id": "f", "file_unique_id": "u"}))
    await pipe.give(edited(3, 1, "раз!", at=now), edited(4, 1, "раз!!", at=now))
    await pipe.give(edited(5, 2, "два!", at=now))
    await pipe.give(reaction(6, 1, "", "👍"), reaction(7, 1, "👍", ""))
    await pipe.give(membership(8, "member", "kicked"), membership(9, "kicked", "member"))
    before = await pipe.rows(EVERYTHING)
    entries = [row["id"] for row in await pipe.rows("SELECT id FROM journal ORDER BY id")]
    for entry in entries:
        await pipe.replay(entry)
        assert await pipe.rows(EVERYTHING) == before, f"entry {entry}"
    await pipe.replay(*entries)
    assert await pipe.rows(EVERYTHING) == before


async def test_replaying_what_failed_brings_it_in(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload the connector did not understand is kept; with a better connector it takes its place in the order of
    time, marked as replayed.
    """
    await pipe.give(message(1, "раз"))

    def broken(*_: object) -> None:
        raise KeyError("a bug")

    good = pipe.channel.connector.normalize
    object.__setattr__(pipe.channel.connector, "normalize", broken)
    try:
        await pipe.give(message(2, "два"))
    finally:
        object.__setattr__(pipe.channel.connector, "normalize", good)
    await pipe.give(message(3, "три"))
    assert await pipe.states() == ["done", "failed", "done"]
    failed = (await pipe.rows("SELECT entry_id, detail FROM journal_result WHERE state = 'failed'"))[0]
    assert failed["detail"].startswith("KeyError in broken")
    await pipe.replay(failed["entry_id"])
    assert await pipe.texts() == ["раз", "два", "три"]
    assert [event["replayed"] for event in await pipe.events() if event.get("replayed")] == [True]
