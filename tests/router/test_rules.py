"""What the conditions of a routing rule mean."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import BadSettings
from router.rules import ContactFacts, RouteRequest, check_conditions, compile_conditions

CHANNEL, OTHER = UUID(int=1), UUID(int=2)
CONTACT = ContactFacts(
    tags=frozenset({"Опт", "cakes"}), vip=True, language="ru-RU", source={"utm_source": "Yandex", "utm_campaign": "ny"}
)
REQUEST = RouteRequest(
    CHANNEL, None, "message", CONTACT, datetime(2026, 11, 24, tzinfo=UTC), "+79991234567", "Ещё нужна доставка тортов"
)

HOLDS = [
    {},
    {"channel": [str(OTHER), str(CHANNEL)]},
    {"our_number": ["+79991234567"]},
    {"source": {"utm_source": "yandex"}},
    {"source": {"utm_source": ["google", "yandex"], "utm_campaign": ["ny"]}},
    {"tag": ["опт"]},
    {"language": ["ru"]},
    {"language": ["ru-RU", "be"]},
    {"vip": True},
    {"kind": ["email", "message"]},
    {"text": ["еще"]},
    {"text": ["ДОСТАВКА тортов"]},
    {"text": ["торт*"]},
]
FAILS = [
    {"channel": [str(OTHER)]},
    {"our_number": ["+79990000000"]},
    {"source": {"utm_source": "yandex", "utm_campaign": "spring"}},
    {"source": {"utm_medium": "cpc"}},
    {"tag": ["retail"]},
    {"language": ["r"]},
    {"vip": False},
    {"kind": ["call"]},
    {"text": ["торт"]},
]
WRONG = [
    ({"weekday": [1]}, "weekday"),
    ({"channel": "sales"}, "channel"),
    ({"channel": ["sales"]}, "channel"),
    ({"our_number": ["84951234567"]}, "our_number"),
    ({"source": {}}, "source"),
    ({"source": {"utm_source": 5}}, "source.utm_source"),
    ({"tag": []}, "tag"),
    ({"tag": [""]}, "tag"),
    ({"language": [7]}, "language"),
    ({"vip": "yes"}, "vip"),
    ({"kind": ["sms"]}, "kind"),
    ({"text": ["*"]}, "text"),
    ({"text": "торт"}, "text"),
]


@pytest.mark.parametrize("conditions", HOLDS, ids=str)
def test_holds(conditions: dict[str, object]) -> None:
    """Each of these is true of the request, and accepted by the settings page."""
    check_conditions(conditions)
    assert compile_conditions(conditions)(REQUEST)


@pytest.mark.parametrize("conditions", FAILS, ids=str)
def test_fails(conditions: dict[str, object]) -> None:
    """Each of these is well written and not true of the request."""
    check_conditions(conditions)
    assert not compile_conditions(conditions)(REQUEST)


@pytest.mark.parametrize(("conditions", "field"), WRONG, ids=str)
def test_wrong_conditions_never_match_and_are_named(conditions: dict[str, object], field: str) -> None:
    """A rule that can't be understood sends nobody anywhere, and its author is told the field."""
    assert not compile_conditions(conditions)(REQUEST)
    with pytest.raises(BadSettings, match=rf"^conditions\.{field}:"):
        check_conditions(conditions)


@given(st.lists(st.sampled_from(HOLDS[1:] + FAILS), max_size=4))
def test_all_conditions_must_hold(parts: list[dict[str, object]]) -> None:
    """A rule of several conditions holds exactly if each of them holds alone."""
    together = {key: value for part in parts for key, value in part.items()}
    alone = all(compile_conditions({key: value})(REQUEST) for key, value in together.items())
    assert compile_conditions(together)(REQUEST) == alone


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["channel", "our_number", "source", "tag", "language", "vip", "kind", "text"]) | st.text()


@given(st.dictionaries(keys, json, max_size=4))
def test_any_json_is_either_refused_or_usable(conditions: dict[str, object]) -> None:
    """Whatever stands in the column never raises while routing, and what the check refuses never matches."""
    matched = compile_conditions(conditions)(REQUEST)
    try:
        check_conditions(conditions)
    except BadSettings:
        assert not matched
