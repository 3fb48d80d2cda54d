"""How a try ended, and writing it down: one transaction for a batch of them, guarded by the claim's token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from config.errors import BadChannel, Blocked, InDoubt, RateLimited, Rejected, RetryLater, SendError
from connectors.base import Sent
from router.outbound.answers import Answer, Registered, explain, register
from router.outbound.claims import Claim
from router.outbound.receipts import join_pending
from router.outbound.states import FIRST_SETTLE_S, GIVE_UP_S, Change, clean, retry_after_s, state_events
from storage.db import Connection
from storage.events import NewEvent, append_events


@dataclass(frozen=True, slots=True)
class Outcome:
    """`state`: what the row becomes; `verdict`: the attempt's word (sent, unsent, settled, or an error's code).

    `after_s`: when a queued one is due again; `blocks`: the address goes on the stop list; `pause_s`: the provider
    wants the whole channel to be silent; `settles`: may end a doubt, as the provider was asked;
    `channel_version`: the settings that were tried, as only those can be found broken.
    """

    claim: Claim
    state: Literal["sent", "queued", "failed", "in_doubt"]
    verdict: str
    took_ms: int = 0
    external_ids: Sequence[str] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    provider_code: str = ""
    provider_text: str = ""
    after_s: float = 0.0
    blocks: bool = False
    pause_s: float = 0.0
    settles: bool = False
    channel_version: int = -1

    @property
    def breaks_channel(self) -> bool:
        return self.verdict == BadChannel.code

    @property
    def error_class(self) -> str:
        if not self.error:
            return ""
        return InDoubt.code if self.state == "in_doubt" else self.verdict


def sent(claim: Claim, answer: Sent, took_ms: int, *, settles: bool = False) -> Outcome:
    """The provider took it."""
    ids = [text for text in map(clean, answer.external_ids) if text]
    verdict = "settled" if settles else "sent"
    return Outcome(claim, "sent", verdict, took_ms, external_ids=ids, result=dict(answer.meta), settles=settles)


def unsent(claim: Claim) -> Outcome:
    """Our lease had run out before the first byte left: surely not sent."""
    return Outcome(claim, "queued", "unsent")


def surely_not(claim: Claim) -> Outcome:
    """Asked, the provider said that it never got the message."""
    return Outcome(claim, "queued", "settled", settles=True)


def unreachable(claim: Claim) -> Outcome:
    """Not to be sent at all: the address was blocked or erased while the message waited."""
    return Outcome(claim, "failed", Blocked.code, error=claim.unreachable)


def classify(claim: Claim, error: SendError, took_ms: int, now: datetime) -> Outcome:
    """What follows from the connector's verdict. Retries end 24 h after the message was due."""
    state: Literal["queued", "failed", "in_doubt"] = "failed"
    after_s = pause_s = 0.0
    if isinstance(error, RetryLater):
        after_s = retry_after_s(claim.tries + 1, error.after_s)
        given_up = (now - claim.message.due_at).total_seconds() + after_s > GIVE_UP_S
        state = "failed" if given_up else "queued"
        pause_s = after_s if isinstance(error, RateLimited) and error.whole_channel else 0.0
    elif isinstance(error, BadChannel):
        state = "queued"
    elif isinstance(error, InDoubt):
        state, after_s = "in_doubt", FIRST_SETTLE_S
    return Outcome(
        claim,
        state,
        error.code,
        took_ms,
        error=clean(str(error)) or type(error).__name__,
        provider_code=clean(error.provider_code),
        provider_text=clean(error.provider_text),
        after_s=after_s,
        blocks=isinstance(error, Blocked) or (isinstance(error, Rejected) and error.address_is_bad),
        pause_s=pause_s,
    )


class Recorded(NamedTuple):
    """`event_id`: highest written, 0 for none; `broken`: the channel was taken out of service."""

    event_id: int
    broken: bool


_LOCK = """
SELECT o.id, o.state, o.claimed_by FROM outbound AS o WHERE o.id = ANY($1::uuid[]) ORDER BY o.id FOR UPDATE
"""

# claimed_by stays, so that an answer that comes after all to a message no longer believed in is still recognised.
_OUTBOUND = """
UPDATE outbound AS o
SET state = n.state, lease_until = NULL, next_at = now() + make_interval(secs => n.after_s),
    error_class = n.error_class, error_code = n.error_code, error = n.error,
    sent_at = CASE WHEN n.state = 'sent' THEN coalesce(o.sent_at, now()) ELSE o.sent_at END
FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::text[], $5::text[], $6::text[])
    AS n(id, state, after_s, error_class, error_code, error)
WHERE o.id = n.id
"""
_INTERACTION = """
UPDATE interaction AS i
SET state = n.state, sent_at = CASE WHEN n.state = 'sent' THEN coalesce(i.sent_at, now()) ELSE i.sent_at END
FROM unnest($1::uuid[], $2::text[]) AS n(id, state)
WHERE i.id = n.id AND i.id = ANY($1::uuid[])
"""
_ATTEMPT = """
INSERT INTO outbound_attempt (outbound_id, took_ms, verdict, provider_code, provider_text)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[])
"""
_IDS = """
UPDATE outbound AS o SET external_ids = array(SELECT jsonb_array_elements_text(n.doc -> 'ids')), result = n.doc -> 'result'
FROM unnest($1::uuid[], $2::jsonb[]) AS n(id, doc) WHERE o.id = n.id
"""
_FIRST_ID = """
UPDATE interaction AS i SET external_id = n.external_id
FROM unnest($1::uuid[], $2::text[]) AS n(id, external_id)
WHERE i.id = n.id AND i.id = ANY($1::uuid[]) AND i.external_id = ''
"""
# A call the PBX never placed: nobody waits for its end.
_CALLED_OFF = """
WITH off AS (
    UPDATE call SET state = 'finished', outcome = 'failed', finished_at = now()
    WHERE interaction_id = ANY($1::uuid[]) AND state = 'started'
    RETURNING conversation_id, interaction_id
), shown AS (
    UPDATE interaction AS i
    SET body = jsonb_set(i.body, '{call}', (i.body -> 'call') || '{"state": "finished", "outcome": "failed"}')
    FROM off WHERE i.id = off.interaction_id AND i.id = ANY($1::uuid[]) AND i.body ? 'call'
)
UPDATE conversation AS c SET status = 'resolved', resolved_at = now(), version = version + 1
FROM off WHERE c.id = off.conversation_id AND c.status <> 'resolved'
"""
_BLOCK = """
UPDATE identity SET blocked_at = now(), blocked_reason = n.reason
FROM unnest($1::uuid[], $2::text[]) AS n(id, reason)
WHERE identity.id = n.id AND identity.blocked_at IS NULL
"""
_BREAK = """
UPDATE channel SET state = 'broken', version = version + 1 WHERE id = $1 AND state = 'active' AND version = $2
RETURNING name
"""
PROBLEM = "sending: "
_PROBLEM = """
INSERT INTO channel_health (channel_id, problem, problem_since) VALUES ($1, $2, now())
ON CONFLICT (channel_id) DO UPDATE SET problem = excluded.problem, problem_since = excluded.problem_since
"""


async def record(connection: Connection, outcomes: Sequence[Outcome]) -> Recorded:
    """Writes a batch inside the caller's transaction, events last.

    A row that is no longer the claim's is left alone, with one exception: the provider's ids always count. They are
    registered before rows of `outbound` are locked, as the way in does it with echoes.
    """
    answers = [Answer(o.claim, text) for o in outcomes if o.state == "sent" for text in dict.fromkeys(o.external_ids)]
    registered = await register(connection, answers)
    outcomes = [_in_place_of_its_double(o, registered) for o in outcomes]
    rows = await connection.fetch(_LOCK, sorted({o.claim.id for o in outcomes}))
    states = {row["id"]: row["state"] for row in rows}
    tokens = {row["id"]: row["claimed_by"] for row in rows}
    mine = [o for o in outcomes if tokens.get(o.claim.id) == o.claim.token]
    valid = [o for o in mine if _may_follow(states[o.claim.id], o)]
    accepted = [o for o in mine if o.state == "sent"]
    events = await _write(connection, valid)
    events += await _write_ids(connection, accepted)
    events += await explain(connection, registered)
    broken = [o for o in valid if o.breaks_channel]
    if broken:
        events += await _break_channel(connection, broken[0])
    return Recorded(await append_events(connection, events), broken=bool(broken))


DOUBLE = "An equal message to the same client was in doubt, and of the two only one is known to have arrived."


def _in_place_of_its_double(outcome: Outcome, registered: Registered) -> Outcome:
    """Its echo was taken for that of an equal, older message in doubt, which counts as sent since: the doubt is now
    this one's.
    """
    ids = [Answer(outcome.claim, text) for text in outcome.external_ids]
    if not ids or not all(registered.is_known_elsewhere(one) for one in ids):
        return outcome
    verdict = "unsettled" if outcome.settles else InDoubt.code
    return replace(outcome, state="in_doubt", verdict=verdict, external_ids=(), error=DOUBLE, after_s=FIRST_SETTLE_S)


def _may_follow(state: str, outcome: Outcome) -> bool:
    if state in {"claimed", "sending"}:
        return True
    if outcome.state == "sent":
        return state in {"in_doubt", "queued"}
    return state == "in_doubt" and outcome.settles


async def _write(connection: Connection, outcomes: Sequence[Outcome]) -> list[NewEvent]:
    if not outcomes:
        return []
    ids = [o.claim.id for o in outcomes]
    states = [o.state for o in outcomes]
    classes = [o.error_class for o in outcomes]
    codes = [o.provider_code for o in outcomes]
    await connection.execute(
        _OUTBOUND, ids, states, [o.after_s for o in outcomes], classes, codes, [o.error for o in outcomes]
    )
    await connection.execute(_INTERACTION, [o.claim.interaction_id for o in outcomes], states)
    await _note_attempts(connection, outcomes)
    blocks = {o.claim.identity_id: o.error for o in outcomes if o.blocks}
    if blocks:
        await connection.execute(_BLOCK, list(blocks), list(blocks.values()))
    failed = [o.claim.interaction_id for o in outcomes if o.state == "failed"]
    if failed:
        await connection.execute(_CALLED_OFF, failed)
    return await state_events(connection, [_change(o) for o in outcomes])


async def _note_attempts(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    words = [o.provider_text or o.error for o in outcomes]
    codes = [o.provider_code for o in outcomes]
    ids, took, verdicts = zip(*((o.claim.id, o.took_ms, o.verdict) for o in outcomes), strict=True)
    await connection.execute(_ATTEMPT, ids, took, verdicts, codes, words)


def _change(outcome: Outcome) -> Change:
    claim = outcome.claim
    return Change(
        claim.interaction_id,
        claim.conversation_id,
        claim.id,
        outcome.state,
        outcome.error,
        outcome.error_class,
        outcome.provider_code,
    )


async def _write_ids(connection: Connection, outcomes: Sequence[Outcome]) -> list[NewEvent]:
    """The provider's ids, and then the receipts that were quicker than the answer that brought the ids."""
    named = [o for o in outcomes if o.external_ids]
    if not named:
        return []
    await connection.execute(
        _IDS, [o.claim.id for o in named], [{"ids": list(o.external_ids), "result": dict(o.result)} for o in named]
    )
    refs = [(o.claim.channel_id, text) for o in named for text in o.external_ids]
    channels, texts = zip(*refs, strict=True)
    await connection.execute(_FIRST_ID, [o.claim.interaction_id for o in named], [o.external_ids[0] for o in named])
    return await join_pending(connection, channels, texts)


async def _break_channel(connection: Connection, outcome: Outcome) -> list[NewEvent]:
    channel_id: UUID = outcome.claim.channel_id
    name: str | None = await connection.fetchval(_BREAK, channel_id, outcome.channel_version)
    if name is None:
        return []
    await connection.execute(_PROBLEM, channel_id, PROBLEM + outcome.error)
    data: Mapping[str, object] = {"channel_id": channel_id, "name": name, "problem": outcome.error}
    return [NewEvent("channel.broken", [], dict(data))]


_ALIVE = """
INSERT INTO channel_health AS h (channel_id, last_sent_at) VALUES ($1, now())
ON CONFLICT (channel_id) DO UPDATE SET last_sent_at = now(),
    problem = CASE WHEN starts_with(h.problem, $2) THEN '' ELSE h.problem END,
    problem_since = CASE WHEN starts_with(h.problem, $2) THEN NULL ELSE h.problem_since END
"""


async def note_alive(connection: Connection, channel_id: UUID) -> None:
    """The channel sends; what was said about its sending no longer holds. For every few seconds, not every message."""
    await connection.execute(_ALIVE, channel_id, PROBLEM)
