"""The phone normaliser: a public corpus of how people and PBXs write numbers, and what must hold for any text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TypedDict

import phonenumbers
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from connectors import phones
from connectors.phones import MAX_NUMBER, MAX_RAW, Phone, is_internal, parse_phone, phone_query


class Case(TypedDict):
    input: str
    region: str
    e164: str | None
    ext: str
    why: str


CORPUS: list[Case] = json.loads((Path(__file__).parent / "corpus" / "phones.json").read_text("utf-8"))
REGIONS = ("RU", "KZ", "BY", "UA", "UZ", "DE", "GB", "US", "IT", "JP", "ZZ", "")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
NOISE = (" ", "-", ".", "(", ")", "\u00a0", "\u2013", "\u2212", "\u200b", "\u2009")


def _examples() -> list[str]:
    """A valid number of each kind of each country."""
    kinds = (
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE,
        phonenumbers.PhoneNumberType.TOLL_FREE,
    )
    found: set[str] = set()
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in kinds:
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                found.add(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return sorted(text for text in found if E164.fullmatch(text))


EXAMPLES = _examples()
national_seven = st.from_regex(r"[3489][0-9]{9}", fullmatch=True)
# Characters that steer the parser, so that random text gets past its first doors.
STEERING = "0123456789+-() .,;#x*/~_\\|<>@:%\"'\nдобтелsipext=٣７\u00a0\u200b\ud800"
phoneish = st.text(st.sampled_from(STEERING), max_size=40)
scrap = st.text(st.sampled_from(STEERING), max_size=3)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: f"{case['region']}:{case['input']!a}")
def test_corpus(case: Case) -> None:
    """Each way of writing in the corpus becomes exactly the number, extension or refusal stated there."""
    wanted = None if case["e164"] is None else Phone(case["e164"], case["ext"])
    assert parse_phone(case["input"], case["region"]) == wanted, case["why"]


def test_corpus_is_a_corpus() -> None:
    """No entry twice, each with a reason, refusals among them; numbers outside the metadata are in it."""
    keys = {(case["input"], case["region"]) for case in CORPUS}
    assert len(keys) == len(CORPUS) >= 120
    assert all(case["why"] for case in CORPUS)
    assert sum(case["e164"] is None for case in CORPUS) >= 40
    wanted = {case["e164"] for case in CORPUS if case["e164"]}
    assert any(not phonenumbers.is_valid_number(phonenumbers.parse(e164, None)) for e164 in wanted)


@given(raw=st.one_of(st.text(), phoneish), region=st.one_of(st.sampled_from(REGIONS), st.text(max_size=3)))
@example(raw="%", region="RU")
@example(raw="+", region="RU")
@example(raw="<", region="RU")
@example(raw="sip:", region="RU")
def test_total(raw: str, region: str) -> None:
    """Any text in any region gives a number in E.164 with a digit extension, or None; never an exception."""
    phone = parse_phone(raw, region)
    if phone is not None:
        assert E164.fullmatch(phone.e164)
        assert re.fullmatch(r"[0-9]{0,8}", phone.ext)
    query = phone_query(raw, region)
    assert query is None or E164.fullmatch(query)
    assert is_internal(raw) in {True, False}


@given(
    raw=st.builds("{}{}{}".format, scrap, st.sampled_from(EXAMPLES).map(lambda text: text.lstrip("+")), scrap),
    region=st.sampled_from(REGIONS),
    other=st.sampled_from(REGIONS),
)
def test_idempotent_on_text(raw: str, region: str, other: str) -> None:
    """Whatever number a text becomes, that number reads as itself in every region."""
    phone = parse_phone(raw, region)
    assume(phone is not None)
    assert phone is not None
    assert parse_phone(phone.e164, other) == Phone(phone.e164)


@given(digits=st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True), region=st.sampled_from(REGIONS))
def test_idempotent_on_digits(digits: str, region: str) -> None:
    """The same for random international digits, with and without the plus."""
    for raw in ("+" + digits, digits):
        phone = parse_phone(raw, region)
        if phone is not None:
            assert {parse_phone(phone.e164, other) for other in REGIONS} == {Phone(phone.e164)}


@pytest.mark.parametrize("region", ["RU", "DE", "US", "ZZ"])
def test_every_country(region: str) -> None:
    """A valid number of each country in the world is taken as it is, whatever the channel's region."""
    assert len(EXAMPLES) > 500
    short = {text for text in EXAMPLES if parse_phone(text, region) != Phone(text)}
    assert not short


@given(
    digits=national_seven,
    prefix=st.sampled_from(["+7", "7", "8", "007", "8107", "+77", "+78", "tel:+7", "т. 8"]),
    noise=st.lists(st.tuples(st.integers(0, 9), st.sampled_from(NOISE)), max_size=8),
)
def test_noise_russian(digits: str, prefix: str, noise: list[tuple[int, str]]) -> None:
    """Every prefix and any blanks, dashes, dots, brackets between the digits: one Russian number."""
    written = list(digits)
    for position, mark in noise:
        written[position] = mark + written[position]
    assert parse_phone(prefix + "".join(written)) == Phone("+7" + digits)


@given(
    e164=st.sampled_from(EXAMPLES),
    region=st.sampled_from(REGIONS),
    noise=st.lists(st.tuples(st.integers(1, 7), st.sampled_from(NOISE)), max_size=8),
)
def test_noise_everywhere(e164: str, region: str, noise: list[tuple[int, str]]) -> None:
    """Formatting never changes a number of any country."""
    written = list(e164)
    for position, mark in noise:
        written[position] += mark
    assert parse_phone("".join(written), region) == Phone(e164)


@given(
    digits=national_seven,
    ext=st.from_regex(r"[0-9]{1,6}", fullmatch=True),
    mark=st.sampled_from(
        [" доб. ", "доб", " (доб.", " внутр. ", " вн.", " ext. ", "ext", "x", "х", ",", ", ", ";", "#", ";ext=", "*"]
    ),
    start=st.sampled_from(["+7", "8", "8 ", ""]),
)
def test_extension_kept(digits: str, ext: str, mark: str, start: str) -> None:
    """The extension arrives digit by digit, leading zeros too, and never leaks into the number."""
    assume(start or digits[0] == "9")  # ten other digits may be a number abroad
    assert parse_phone(f"{start}{digits}{mark}{ext}") == Phone("+7" + digits, ext)


@given(digits=st.from_regex(r"[0-9]{1,6}", fullmatch=True), region=st.sampled_from(REGIONS))
def test_short_is_internal_never_a_client(digits: str, region: str) -> None:
    """One to six bare digits are an internal number (also as a SIP user) and never a client's."""
    for raw in (digits, f" {digits} ", f"sip:{digits}@pbx.example", f'"Anna" <sip:{digits}@10.0.0.1:5060>'):
        assert parse_phone(raw, region) is None
        assert is_internal(raw)


@pytest.mark.parametrize("raw", ["", "+123", "12a", "1234567", "1 2", "anna", "sip:anna@pbx.example", "1" * 10_000])
def test_not_internal(raw: str) -> None:
    """Names, long numbers, anything with a plus are no internal numbers."""
    assert not is_internal(raw)


def test_internal_limit() -> None:
    """The PBX's own plan sets how long an internal number may be."""
    assert is_internal("1203", max_digits=4)
    assert not is_internal("12034", max_digits=4)


@pytest.mark.parametrize("raw", ["8" * 10_000, "+79161234567" + " " * MAX_RAW, "8 " * 200, "<" * 500, "+7" * 250])
def test_long_is_refused(raw: str) -> None:
    """Longer than any header, or a number longer than 64 characters: None, without going through it."""
    before = phones._parse.cache_info().currsize
    assert parse_phone(raw) is None
    if len(raw) > MAX_RAW:
        assert phones._parse.cache_info().currsize == before


def test_long_name_is_no_reason() -> None:
    """The limit counts the number, not the display name and parameters around it; and the edge is exact."""
    header = f'"{"Очень длинное название компании " * 4}" <sip:+79161234567@pbx.example;user=phone;transport=udp>'
    assert parse_phone(header) == Phone("+79161234567")
    assert parse_phone("89161234567".ljust(MAX_NUMBER, ".")) == Phone("+79161234567")
    assert parse_phone("89161234567".ljust(MAX_NUMBER + 1, ".")) is None


def test_plain_russian_numbers_are_cheap() -> None:
    """The plain writings of Russian numbers never reach the slow path (it counts its calls)."""
    before = phones._parse.cache_info()
    assert {parse_phone(raw) for raw in ("+74957654321", "84957654321", "74957654321")} == {Phone("+74957654321")}
    assert phones._parse.cache_info() == before


@given(digits=national_seven, region=st.sampled_from(["RU", "KZ"]))
def test_fast_path_agrees(digits: str, region: str) -> None:
    """The fast path is only fast: the slow one gives the same."""
    for raw in ("+7" + digits, "8" + digits, "7" + digits):
        assert phones._parse(raw, region) == parse_phone(raw, region) == Phone("+7" + digits)


@given(e164=st.sampled_from(EXAMPLES))
def test_query_plus_as_space(e164: str) -> None:
    """A plus that a URL turned into a space finds the number of any country."""
    assert phone_query(" " + e164[1:], "RU") == e164
    assert phone_query(e164, "RU") == e164
    assert phone_query(e164.replace("+", "%2B"), "RU") == e164


@given(e164=st.sampled_from(EXAMPLES), region=st.sampled_from(["RU", "DE", "US"]))
def test_query_bare_digits(e164: str, region: str) -> None:
    """Bare digits are read as +digits; only in Russia may a complete valid national number go first."""
    own = parse_phone(e164[1:], "RU")
    russian = {own.e164} if own and region == "RU" and own.e164.startswith("+7") else set()
    assert phone_query(e164[1:], region) in {e164} | russian


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("79161234567", "RU", "+79161234567"),
        ("89161234567", "RU", "+79161234567"),
        ("84951234567", "RU", "+74951234567"),
        (" 84951234567", "RU", "+84951234567"),
        ("84951234567", "DE", "+84951234567"),
        ("4951234567", "RU", "+74951234567"),
        ("9161234567", "RU", "+79161234567"),
        ("8 (916) 123-45-67", "RU", "+79161234567"),
        ("375 29 123-45-67", "RU", "+375291234567"),
        ("79161234567", "US", "+79161234567"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("доб. 12", "RU", None),
        ("201", "RU", None),
        ("ivan@mail.example", "RU", None),
        ("79161234567@mail.example", "RU", None),
        ("", "RU", None),
    ],
)
def test_query(raw: str, region: str, e164: str | None) -> None:
    """What operators type and scripts send finds the number they mean."""
    assert phone_query(raw, region) == e164


def test_phone_is_a_value() -> None:
    """Two readings of one number are one key in a dict."""
    assert len({parse_phone("89161234567"), parse_phone("+7 (916) 123-45-67"), Phone("+79161234567")}) == 1
