"""A caller's number as people read it."""

from __future__ import annotations

from functools import lru_cache

import msgspec
import phonenumbers

MAX_SHOWN = 64
NO_COUNTRY = "001"
"""What the library calls numbers of no country: satellites, shared-cost services."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """`number`: E.164 or what the PBX sent; `pretty`: in groups; `country`: ISO 3166, empty if the number tells none.

    A region within a country is not told: the metadata we carry has none. `withheld`: the caller hides his number.
    """

    number: str = ""
    pretty: str = ""
    country: str = ""
    withheld: bool = False


@lru_cache(maxsize=4096)
def to_caller(number: str) -> Caller:
    """Pure and total: what is no E.164 number is shown as it came."""
    if not number:
        return Caller(withheld=True)
    shown = number[:MAX_SHOWN]
    try:
        parsed = phonenumbers.parse(shown)
    except phonenumbers.NumberParseException:
        return Caller(number=number, pretty=shown)
    country = phonenumbers.region_code_for_number(parsed) or ""
    pretty = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return Caller(number=number, pretty=pretty, country="" if country == NO_COUNTRY else country)
