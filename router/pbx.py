"""Who takes this call? A pass of matching and routing that runs beside the journal's commit and changes no card.

The answer is kept for the call, so that the PBX's repetition gets the same one, and promises the first agent for 15 s.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from config.errors import Unavailable
from connectors.base import RouteAnswer, RouteQuestion
from router.channels import Channel
from router.directory import DirectoryCache
from router.matching import find
from router.presence import load_call_state
from router.routing import CallChoice, ContactFacts, RouteRequest, decide_call
from router.work import Card, Key
from storage.db import DATABASE_ERRORS, Connection
from storage.locks import PROMISES
from storage.store import Store

log = structlog.get_logger()
DEADLINE_S = 1.5
PROMISE = timedelta(seconds=15)
MAX_RUNG = 5

_KNOWN = "SELECT answer FROM call_reservation WHERE channel_id = $1 AND call_id = $2"
_PROMISE = """
INSERT INTO call_reservation (channel_id, call_id, agent_id, answer, until_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel_id, call_id) DO UPDATE SET until_at = call_reservation.until_at
RETURNING answer
"""
_OPEN = """
SELECT assignee_id FROM conversation
WHERE contact_id IN (SELECT id FROM contact WHERE card_id = $1) AND status <> 'resolved' AND assignee_id IS NOT NULL
ORDER BY last_at DESC LIMIT 1
"""


class CallRouter:
    """Answers of one process."""

    def __init__(self, store: Store, directory: DirectoryCache) -> None:
        self._store = store
        self._directory = directory

    async def answer(self, channel: Channel, question: RouteQuestion) -> RouteAnswer:
        """Whom to ring. Empty when nobody can be named in time: the PBX then does what it would do without us."""
        end = asyncio.get_running_loop().time() + DEADLINE_S
        try:
            async with self._store.pool.acquire(timeout=DEADLINE_S) as connection:
                return await self._in_time(connection, channel, question, end)
        except (Unavailable, *DATABASE_ERRORS) as error:
            log.warning("call_not_routed", channel_id=str(channel.id), error=type(error).__name__)
            return RouteAnswer()

    async def _in_time(
        self, connection: Connection, channel: Channel, question: RouteQuestion, end: float
    ) -> RouteAnswer:
        try:
            async with asyncio.timeout_at(end):
                known = await connection.fetchval(_KNOWN, channel.id, question.call_id)
                return _stored(known) if known is not None else await self._answer(connection, channel, question)
        except TimeoutError:
            # Handing it back would wait for the statement that is late.
            connection.terminate()
            raise

    async def _answer(self, connection: Connection, channel: Channel, question: RouteQuestion) -> RouteAnswer:
        now = datetime.now(UTC)
        directory = await self._directory.get(connection, now)
        card = await self._card(connection, question)
        current = await connection.fetchval(_OPEN, card.id) if card is not None else None
        facts = ContactFacts()
        if card is not None:
            facts = ContactFacts(card.owner_id, frozenset(card.tags), card.vip, card.language, card.source)
        request = RouteRequest(
            channel_id=channel.id,
            channel_queue_id=channel.queue_id,
            kind="call",
            contact=facts,
            our_number=question.our_number,
            text="",
            current_assignee=current,
            previous_assignee=None,
            now=now,
        )
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", PROMISES)
            busy, idle_since = await load_call_state(connection, channel.id, question.call_id, now)
            choices = decide_call(directory, request, busy=busy, idle_since=idle_since)[:MAX_RUNG]
            return await self._promise(connection, channel, question, choices, card)

    async def _card(self, connection: Connection, question: RouteQuestion) -> Card | None:
        if not question.client:
            return None
        found = await find(connection, [Key("phone", "", question.client)])
        return next((known.card for known in found.values()), None)

    async def _promise(
        self,
        connection: Connection,
        channel: Channel,
        question: RouteQuestion,
        choices: list[CallChoice],
        card: Card | None,
    ) -> RouteAnswer:
        answer = {
            "extensions": [choice.extension for choice in choices],
            "display_name": card.name if card is not None else "",
            "reason": choices[0].reason if choices else "nobody can be rung",
        }
        first = choices[0].agent_id if choices else None
        until = datetime.now(UTC) + PROMISE
        return _stored(await connection.fetchval(_PROMISE, channel.id, question.call_id, first, answer, until))


def _stored(answer: dict[str, object]) -> RouteAnswer:
    extensions = answer.get("extensions")
    return RouteAnswer(
        [str(e) for e in extensions] if isinstance(extensions, list) else [], str(answer.get("display_name") or "")
    )
