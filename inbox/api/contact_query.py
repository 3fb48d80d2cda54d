"""What lists, counts and exports of cards are asked for, and what that means."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest
from inbox.api.lists import Walk
from inbox.api.routes import Ctx
from router.lookup import IDENTITY_KINDS, normalize_email, normalize_username, phone_query
from router.names import sort_name
from storage.contact_filter import ContactFilter, Said
from storage.contact_list import Sort

Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Short = Annotated[str, msgspec.Meta(max_length=60)]
Value = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
MIN_DIGITS, MIN_LETTERS = 4, 3
RU_DIGITS = 11
"""8 916 … and 916 … are found in +7916…"""
MOST_IDS = 200


class ContactQuery(Walk, kw_only=True):
    """`identity`: an address; phones as people write them, a leading space or bare digits are read as +. `kind`, `has`: an
    identity kind. `q`: a part of a name or an address. `owner`: an agent, `me` or `none`. `source`: any value of the card's
    source. `no_contact_since`: days without a word; `birthday`: within so many days from today. `custom.<key>=`: what the
    company's own field says, of four fields at most. `sort`: by name, by when the card was made, by when anything was last
    said. `birthday_month`: 1 to 12, 0 the present one. `heard_since`, `heard_before`: the day of the last contact, that day
    included and not. `consent`: a purpose with what was said last, `marketing:yes`, `:no` or `:unasked`. `open_task`: has
    some. `channel`: has a conversation on it. `ids`: these cards, comma separated, 200 at most.
    """

    identity: Value | None = None
    kind: Short | None = None
    has: Short | None = None
    q: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    owner: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    tag: Tag | None = None
    type: Literal["person", "company"] | None = None
    company: UUID | None = None
    source: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    no_contact_since: Annotated[int, msgspec.Meta(ge=0, le=36_500)] | None = None
    birthday: Annotated[int, msgspec.Meta(ge=0, le=366)] | None = None
    custom: Annotated[dict[str, str], msgspec.Meta(max_length=4)] | None = None
    birthday_month: Annotated[int, msgspec.Meta(ge=0, le=12)] | None = None
    heard_since: date | None = None
    heard_before: date | None = None
    consent: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    open_task: bool | None = None
    channel: UUID | None = None
    vip: bool | None = None
    ids: Annotated[str, msgspec.Meta(max_length=7600)] | None = None
    sort: Sort = "name"


def to_filter(ctx: Ctx, query: ContactQuery) -> ContactFilter:
    """Raises BadRequest for an owner, a consent or ids that are none."""
    values = None if query.identity is None else identity_values(query.identity, query.kind, ctx.deps.region)
    kinds = [query.kind] if query.kind else list(IDENTITY_KINDS) if values else [query.has] if query.has else None
    now = datetime.now(ctx.store.settings.zone)
    silent_for = query.no_contact_since
    return ContactFilter(
        owner=_owner_of(ctx, query.owner),
        unowned=True if query.owner == "none" else None,
        name=sort_name(query.q) if query.q else None,
        address=_address_of(query.q),
        values=values,
        kinds=kinds,
        tag=query.tag,
        type=query.type,
        company=query.company,
        source=query.source,
        silent_since=None if silent_for is None else now - timedelta(days=silent_for),
        days=None if query.birthday is None else _days(now.date(), query.birthday),
        custom=query.custom,
        month=query.birthday_month if query.birthday_month != 0 else now.month,
        heard_since=_midnight(query.heard_since, now),
        heard_before=_midnight(query.heard_before, now),
        consent=_consent_of(query.consent),
        open_task=query.open_task,
        channel=query.channel,
        vip=query.vip,
        ids=ids_of(query.ids),
    )


def _midnight(day: date | None, now: datetime) -> datetime | None:
    """Where that day begins in the workspace's zone."""
    return None if day is None else datetime.combine(day, time.min, tzinfo=now.tzinfo)


def _consent_of(text: str | None) -> tuple[str, Said] | None:
    if text is None:
        return None
    purpose, _, said = text.rpartition(":")
    try:
        return purpose, msgspec.convert(said, Said)
    except msgspec.ValidationError:
        raise BadRequest("consent: a purpose with :yes, :no or :unasked") from None


def ids_of(text: str | None) -> list[UUID] | None:
    """Comma separated. Raises BadRequest."""
    if text is None:
        return None
    try:
        found = [UUID(word.strip()) for word in text.split(",") if word.strip()]
    except ValueError:
        raise BadRequest("ids: ids of cards, comma separated") from None
    if len(found) > MOST_IDS:
        raise BadRequest(f"ids: at most {MOST_IDS}")
    return found


def _owner_of(ctx: Ctx, text: str | None) -> UUID | None:
    if text is None or text == "none":
        return None
    if text == "me":
        return ctx.actor.person
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest("owner: an agent's id, me or none") from None


def _address_of(q: str | None) -> str | None:
    """The part of `q` that may stand in an address: digits of a phone, a piece of an e-mail address or a user name."""
    bare = "".join((q or "").split()).lower().removeprefix("@")
    digits = "".join(char for char in bare if char.isdigit())
    if len(digits) >= MIN_DIGITS and not set(bare) - set("+-()0123456789"):
        return digits[1:] if digits.startswith("8") and len(digits) == RU_DIGITS else digits
    return bare if len(bare) >= MIN_LETTERS and bare.isascii() else None


def _days(today: date, count: int) -> list[str]:
    """Who was born on 29 February has his day on 1 March too, in the years that have none of his own."""
    days = [today + timedelta(days=n) for n in range(count + 1)]
    found = {f"{day:%m-%d}" for day in days}
    if any(day.month == 3 and day.day == 1 and (day - timedelta(days=1)).day == 28 for day in days):
        found.add("02-29")
    return sorted(found)


def identity_values(raw: str, kind: str | None, region: str) -> list[str]:
    """Every way these characters may be an address of that kind, or of any."""
    values = {raw, raw.strip()}
    if kind in {None, "phone"}:
        values.add(phone_query(raw, region) or "")
    if kind in {None, "email"}:
        values.add(normalize_email(raw) or raw.strip().lower())
    if kind in {None, "telegram_username"}:
        values.add(normalize_username(raw) or "")
    return sorted(values - {""})
