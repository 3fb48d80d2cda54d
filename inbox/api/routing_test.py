"""Trying out the routing: what would happen to this message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest, BadSettings, NotFound
from inbox.api.contact_query import identity_values
from inbox.api.lists import Aware
from inbox.api.routes import Ctx, Routes
from router.lookup import IDENTITY_KINDS, phone_query, registry
from router.rehearsal import Rehearsal, Trial, rehearse
from storage.db import Connection
from storage.identities import card_of_address, connector_of

routes = Routes("routing")
KINDS = {"email": "email", "form": "form"}
Kind = Literal["message", "email", "form", "call"]


class Address(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """As people write it."""

    kind: Annotated[str, msgspec.Meta(max_length=60)]
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class RoutingTest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """From whom: a contact, or an address (unknown: a new client), or nobody in particular. `kind`: the channel's own when
    absent. `at`: now when absent; agents count as present then as they are now.
    """

    channel_id: UUID
    text: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    contact_id: UUID | None = None
    identity: Address | None = None
    our_number: Annotated[str, msgspec.Meta(max_length=40)] = ""
    source: Annotated[dict[Annotated[str, msgspec.Meta(max_length=100)], Any], msgspec.Meta(max_length=50)] = {}
    kind: Kind | None = None
    at: Aware | None = None


@routes.add("POST", "/routing/test", "What would happen to this message; writes nothing", scope="read")
async def try_routing(ctx: Ctx, body: RoutingTest) -> Rehearsal:
    """For supervisors: it tells of every client and agent."""
    ctx.actor.must_supervise()
    now = datetime.now(UTC)
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        trial = Trial(
            channel_id=body.channel_id,
            kind=body.kind or await _kind_of(connection, body.channel_id),
            at=body.at or now,
            contact_id=await _contact(connection, body, ctx.deps.region),
            text=body.text[:2000],
            our_number=_number(body.our_number, ctx.deps.region),
            source=body.source,
        )
        try:
            return await rehearse(connection, trial, zone=ctx.store.settings.zone, now=now)
        except OverflowError:
            raise BadRequest("at: too far away") from None


async def _kind_of(connection: Connection, channel_id: UUID) -> str:
    """Raises NotFound."""
    name = await connector_of(connection, channel_id)
    try:
        connector = registry.get(name)
    except BadSettings:
        return "message"
    is_pbx = connector.route_reply is not None or connector.route_command is not None
    return "call" if is_pbx else KINDS.get(name, "message")


async def _contact(connection: Connection, body: RoutingTest, region: str) -> UUID | None:
    """The contact named, or whose the address is; None for a new client. Raises BadRequest, NotFound."""
    if body.contact_id is not None:
        if not await connection.fetchval("SELECT true FROM contact WHERE id = $1", body.contact_id):
            raise NotFound("contact_id: no such contact")
        return body.contact_id
    if body.identity is None:
        return None
    if body.identity.kind not in IDENTITY_KINDS:
        raise BadRequest(f"identity.kind is one of {', '.join(IDENTITY_KINDS)}")
    values = identity_values(body.identity.value, body.identity.kind, region)
    return await card_of_address(connection, body.identity.kind, values)


def _number(text: str, region: str) -> str:
    """Our own number as rules have it."""
    return (phone_query(text, region) or text) if text else ""
