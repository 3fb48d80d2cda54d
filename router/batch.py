"""One batch of journal entries into the stream, in one transaction (P2, P3): the middle of the hub.

Order of tables, the same in every transaction: external_ref, identity, contact, merge_suggestion, conversation,
interaction, attachment, assignment, task, outbound, journal_result, journal_attempt, journal_todo, event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg

from connectors.base import IDENTITY_KINDS
from connectors.items import Item
from router import calls, frames, logbook, matching, parts, threads
from router.directory import Directory
from router.outbound import echoes
from router.outbound.receipts import Receipt, apply_receipts
from router.understand import order_at
from router.work import STREAM_KINDS, Entry, Key, Result, Work
from storage.db import Connection, RawConnection
from storage.events import NewEvent, append_events, audience
from storage.ids import ids_after
from storage.queries import load

JOURNAL = load("journal")
STREAM = load("stream")
BACKWARDS = timedelta(days=7)
DONE = "SELECT entry_id, interactions FROM journal_result WHERE entry_id = ANY ($1::bigint[]) AND state = 'done'"


@dataclass(frozen=True, slots=True)
class Understood:
    entry: Entry
    items: list[Item]
    result: Result


class Note(NamedTuple):
    """Of a batch in hand. `seed`: the id that its new ones are counted on from."""

    id: int
    seed: UUID


@dataclass(slots=True)
class Outcome:
    """For after the commit. `queued`: somebody waits for an agent."""

    event_id: int = 0
    queued: bool = False
    media: bool = False


@dataclass(slots=True)
class _Sorted:
    """A batch by what is to be done with each item."""

    stream: list[tuple[Work, int]] = field(default_factory=list)
    edits: list[Work] = field(default_factory=list)
    deletes: list[Work] = field(default_factory=list)
    reactions: list[Work] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    opt_outs: list[Work] = field(default_factory=list)
    typing: list[Work] = field(default_factory=list)
    parts: list[Work] = field(default_factory=list)


async def apply(
    connection: RawConnection, batch: Sequence[Understood], directory: Directory, now: datetime, *, note: Note | None
) -> Outcome:
    """Writes all of it and commits. Raises Again or a database error: nothing was written then."""
    async with connection.transaction():
        seed = note.seed if note is not None else await connection.fetchval(STREAM.new_id)
        outcome, events = await _apply(connection, batch, seed, directory, now)
        outcome.event_id = await _finish(connection, batch, note, events)
    return outcome


async def _finish(
    connection: Connection, batch: Sequence[Understood], note: Note | None, events: Sequence[NewEvent]
) -> int:
    """Off the work list, with what they became; told. Returns the id of the last event."""
    again = [u.entry.id for u in batch if u.entry.replay]
    if again:
        await connection.execute(JOURNAL.forget_results, again)
    rows = sorted((r.entry_id, r.state, r.interactions or None, r.detail) for r in (u.result for u in batch))
    await connection.copy_records_to_table("journal_result", records=rows, columns=logbook.RESULT_COLUMNS)
    finished = (sorted(u.result.entry_id for u in batch), note.id if note is not None else None)
    if not events:
        await connection.execute(JOURNAL.finish, *finished)
        return 0
    newest = await connection.fetchval(JOURNAL.finish_and_lock, *finished, column=1)
    return await append_events(connection, events, after=newest)


async def _apply(
    connection: Connection, batch: Sequence[Understood], seed: UUID, directory: Directory, now: datetime
) -> tuple[Outcome, list[NewEvent]]:
    if not any(u.items for u in batch):
        return Outcome(), []
    ids = ids_after(seed)
    todo = _sort(batch, ids, await _done_before(connection, batch))
    events = await _stream(connection, todo, ids, directory, now)
    queued = any(e.type == "interaction.created" for e in events) and any(
        w.thread is not None and w.thread.queued_at is not None for w, _ in todo.stream
    )
    queued = queued or any(calls.is_waiting(event) for event in events)
    media = any(w.item.attachments for w, _ in todo.stream) or any(calls.has_recording(event) for event in events)
    events += await _about_earlier(connection, todo)
    events += await apply_receipts(connection, todo.receipts)
    events += _typing(todo.typing)
    return Outcome(queued=queued, media=media), events


async def _done_before(connection: Connection, batch: Sequence[Understood]) -> dict[int, list[UUID]]:
    """Replayed entries that were done already, with the interactions they spoke of."""
    replayed = [u.entry.id for u in batch if u.entry.replay]
    rows = await connection.fetch(DONE, replayed) if replayed else ()
    return {row["entry_id"]: row["interactions"] or [] for row in rows}


def _sort(batch: Sequence[Understood], ids: Iterator[UUID], done: Mapping[int, list[UUID]]) -> _Sorted:
    """What a `done` entry said of earlier items is not said again: newer words may have followed it."""
    sorted_ = _Sorted()
    by_kind = {
        "edit": sorted_.edits,
        "delete": sorted_.deletes,
        "reaction": sorted_.reactions,
        "opt_out": sorted_.opt_outs,
        "typing": sorted_.typing,
    }
    for understood in batch:
        channel = understood.entry.channel
        if channel is None:
            continue
        for index, item in enumerate(understood.items):
            work = Work(understood.entry, channel, item, understood.result, next(ids))
            work.order_at = _place(work)
            if item.part is not None:
                sorted_.parts.append(work)
            elif item.kind in STREAM_KINDS:
                sorted_.stream.append((work, index))
            elif work.entry.id in done:
                work.result.interactions = done[work.entry.id]
            elif item.kind in {"delivery", "read"}:
                sorted_.receipts.append(_receipt(work))
            elif item.kind in by_kind:
                by_kind[item.kind].append(work)
    return sorted_


def _place(work: Work) -> datetime:
    return order_at(
        work.item,
        work.entry,
        whole_seconds=work.channel.connector.whole_seconds,
        backwards=None if work.entry.silent else BACKWARDS,
    )


def _receipt(work: Work) -> Receipt:
    item = work.item
    error = item.error
    return Receipt(
        channel_id=work.channel.id,
        external_id=item.external_id,
        status="read" if item.kind == "read" else (item.status or "sent"),
        at=item.sent_at or work.entry.received_at,
        error_code=error.code if error else "",
        error_text=error.text if error else item.reason,
        error_class=(error.class_ or "") if error else "",
        thread_key=threads.thread_key_of(work),
        watermark=item.kind == "read" or not item.external_id,
    )


async def _stream(
    connection: Connection, todo: _Sorted, ids: Iterator[UUID], directory: Directory, now: datetime
) -> list[NewEvent]:
    """Items that become interactions of their own."""
    await _adopt_edits(connection, todo)
    await _join_parts(connection, todo, ids)
    told = await calls.by_call(connection, [w for w, _ in todo.stream if w.item.kind == "call"])
    leads = [call.lead for call in told]
    plain = [(work, index) for work, index in todo.stream if work.item.kind != "call"]
    ours = await echoes.adopt(connection, [work for work, _ in plain])
    new, known = await logbook.claim(connection, plain + [(work, 0) for work in leads])
    again = [work for work in known if work.entry.replay and work.item.kind != "call"]
    changed = await logbook.rewrite(connection, again, replayed=True) if again else []
    new, echoed, receipts = echoes.heard(new, ours)
    known += echoed
    todo.receipts += receipts
    todo.stream = [(work, 0) for work in new]
    new.sort(key=lambda w: w.entry.id)
    named = [w for w in known if w.item.kind == "call" and w.item.call is not None and w.item.call.client]
    await matching.match(connection, [*new, *named], ids)
    touched = await threads.thread(connection, new, ids, directory, now)
    await logbook.insert(connection, new, ids)
    await threads.write(connection, touched)
    for work in [*new, *known]:
        work.result.interactions.append(work.interaction_id)
    events = [frames.created(work) for work in new]
    if told:
        events += await _calls(connection, told, directory, now)
    return events + await _changed(connection, "interaction.edited", changed, ("text",))


async def _join_parts(connection: Connection, todo: _Sorted, ids: Iterator[UUID]) -> None:
    for work in await parts.join(connection, todo.parts, ids):
        work.order_at = _place(work)
        todo.stream.append((work, 0))
    if todo.parts:
        todo.stream.sort(key=lambda pair: pair[0].entry.id)


async def _calls(
    connection: Connection, told: Sequence[calls.CallWork], directory: Directory, now: datetime
) -> list[NewEvent]:
    for call in told:
        for work in call.works:
            if work is not call.lead:
                work.result.interactions.append(call.lead.interaction_id)
    await calls.claim_aliases(connection, told)
    return await calls.write(connection, told, directory, now)


async def _adopt_edits(connection: Connection, todo: _Sorted) -> None:
    """An edit whose message never came (it was sent before the channel was connected, or is still on its way) is taken
    as the message.
    """
    if not todo.edits:
        return
    targets = {(w.channel.id, "message", _target(w)) for w in todo.edits}
    known = await logbook.find_refs(connection, list(targets))
    coming = {(w.channel.id, "message", w.item.external_id) for w, _ in todo.stream}
    for work in [w for w in todo.edits if (w.channel.id, "message", _target(w)) not in known.keys() | coming]:
        todo.edits.remove(work)
        work.item.kind = "message"
        work.item.external_id = _target(work)
        coming.add((work.channel.id, "message", work.item.external_id))
        todo.stream.append((work, 0))
    todo.stream.sort(key=lambda pair: pair[0].entry.id)


def _target(work: Work) -> str:
    return str(work.item.meta.get("target_id") or work.item.external_id)[:500]


async def _about_earlier(connection: Connection, todo: _Sorted) -> list[NewEvent]:
    """Edits, deletions, reactions and refusals: they speak of a message or a client that is known."""
    about = [*todo.edits, *todo.deletes, *todo.reactions]
    events: list[NewEvent] = []
    if about:
        refs = await logbook.find_refs(connection, [(w.channel.id, "message", _target(w)) for w in about])
        for work in about:
            found = refs.get((work.channel.id, "message", _target(work)))
            if found is None:
                work.result.detail = f"{work.item.kind} of a message that was never received"
                work.result.state = "ignored"
            else:
                work.interaction_id = found
                work.result.interactions.append(found)
        edits, deletes, reactions = (
            [w for w in works if w.result.state != "ignored"] for works in (todo.edits, todo.deletes, todo.reactions)
        )
        events += await _changed(
            connection, "interaction.edited", await logbook.rewrite(connection, edits, replayed=False), ("text",)
        )
        events += await _changed(connection, "interaction.deleted", await logbook.delete(connection, deletes), ())
        events += await _changed(
            connection, "interaction.reaction", await logbook.react(connection, reactions), ("reactions",)
        )
    if todo.opt_outs:
        await _opt_outs(connection, todo.opt_outs)
    return events


async def _opt_outs(connection: Connection, works: Sequence[Work]) -> None:
    """Who blocked us must not be written to; of several words the last counts. Consent by purpose is the campaigns' matter."""
    last: dict[Key, Work] = {}
    for work in works:
        for key, _ in matching.keys_of(work.item, work.channel):
            if IDENTITY_KINDS[key.kind].strength:
                last[key] = work
    keys = sorted(last)
    await connection.execute(
        STREAM.block_identities,
        [k.kind for k in keys],
        [k.scope for k in keys],
        [k.value for k in keys],
        [last[k].item.meta.get("status", "out") != "in" for k in keys],
        [last[k].item.reason[:200] for k in keys],
    )


async def _changed(
    connection: Connection, type_: str, rows: Sequence[asyncpg.Record], shown: Sequence[str]
) -> list[NewEvent]:
    """An event for each changed interaction, to those who may see its conversation."""
    if not rows:
        return []
    seen = {
        row["id"]: audience(agents=(row["assignee_id"], row["owner_id"], *row["participants"]), queue=row["queue_id"])
        for row in await connection.fetch(STREAM.audiences, sorted({row["conversation_id"] for row in rows}))
    }
    return [
        NewEvent(
            type_,
            seen.get(row["conversation_id"], []),
            {
                "interaction_id": row["id"],
                "conversation_id": row["conversation_id"],
                "contact_id": row["contact_id"],
                "channel_id": row["channel_id"],
                **{name: row[name] for name in shown},
            },
        )
        for row in rows
    ]


def _typing(works: Sequence[Work]) -> list[NewEvent]:
    """Worth telling only while it is true; supervisors' sockets and the thread's own page listen for it."""
    return [
        NewEvent("contact.typing", ["all"], {"channel_id": w.channel.id, "thread_key": threads.thread_key_of(w)})
        for w in works
        if w.entry.fresh
    ]
