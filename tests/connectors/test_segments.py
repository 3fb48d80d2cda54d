"""Encoding and segmentation of SMS, by the numbers of the standard and by properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.items import Address, Item
from connectors.sms.segments import (
    GSM7_OCTETS,
    Encoding,
    decode_gsm7,
    decode_ucs2,
    encode_gsm7,
    encode_ucs2,
    segments,
    tidy,
    units_of,
)
from connectors.sms.words import consent_word, with_consent

GSM, UCS = Encoding.GSM7, Encoding.UCS2

# text, encoding, units, sizes with an 8-bit reference, sizes with a 16-bit one
TABLE: list[tuple[str, Encoding, int, list[int], list[int]]] = [
    ("a" * 160, GSM, 160, [160], [160]),
    ("a" * 161, GSM, 161, [153, 8], [152, 9]),
    ("a" * 306, GSM, 306, [153, 153], [152, 152, 2]),
    ("a" * 307, GSM, 307, [153, 153, 1], [152, 152, 3]),
    ("a" * 459, GSM, 459, [153, 153, 153], [152, 152, 152, 3]),
    ("a" * 460, GSM, 460, [153, 153, 153, 1], [152, 152, 152, 4]),
    ("я" * 70, UCS, 70, [70], [70]),
    ("я" * 71, UCS, 71, [67, 4], [66, 5]),
    ("я" * 134, UCS, 134, [67, 67], [66, 66, 2]),
    ("я" * 135, UCS, 135, [67, 67, 1], [66, 66, 3]),
    ("я" * 201, UCS, 201, [67, 67, 67], [66, 66, 66, 3]),
    ("я" * 202, UCS, 202, [67, 67, 67, 1], [66, 66, 66, 4]),
    ("a" * 158 + "€", GSM, 160, [160], [160]),
    ("a" * 159 + "€", GSM, 161, [153, 8], [152, 9]),
    ("€" * 80, GSM, 160, [160], [160]),
    ("€" * 81, GSM, 162, [152, 10], [152, 10]),
    ("a" * 152 + "€" + "a" * 20, GSM, 174, [152, 22], [152, 22]),
    ("a" * 152 + "€" + "a" * 152, GSM, 306, [152, 153, 1], [152, 152, 2]),
    ("a" * 159 + "ё", UCS, 160, [67, 67, 26], [66, 66, 28]),
    ("я" * 68 + "😀", UCS, 70, [70], [70]),
    ("я" * 69 + "😀", UCS, 71, [67, 4], [66, 5]),
    ("я" * 66 + "😀" + "я" * 66, UCS, 134, [66, 67, 1], [66, 66, 2]),
    ("é" * 160, GSM, 160, [160], [160]),
    ("Заказ №5 готов", UCS, 14, [14], [14]),
    ("Order No 5 [ok]", GSM, 17, [17], [17]),
    ("`", UCS, 1, [1], [1]),
    ("ç", UCS, 1, [1], [1]),
    ("Ç", GSM, 1, [1], [1]),
    ("\t", UCS, 1, [1], [1]),
    ("\x1b", UCS, 1, [1], [1]),
    ("", GSM, 0, [], []),
]


@pytest.mark.parametrize(("text", "encoding", "units", "sizes", "wide"), TABLE)
def test_numbers(text: str, encoding: Encoding, units: int, sizes: list[int], wide: list[int]) -> None:
    """Encoding, length and every part's size are what the standard makes of the text."""
    found = segments(text)
    assert (found.encoding, found.units, list(found.sizes)) == (encoding, units, sizes)
    assert len(found) == len(sizes)
    assert list(segments(text, wide_ref=True).sizes) == wide


MIXED = st.text(alphabet=st.sampled_from("aZ€[~é@я😀👍🏽\n\ud83d`"), max_size=700)
LATIN = st.text(alphabet=st.sampled_from(sorted(GSM7_OCTETS)), max_size=700)


@given(st.one_of(st.text(max_size=400), MIXED, LATIN), st.booleans())
def test_parts_are_the_text(text: str, wide_ref: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    """Nothing is lost or doubled, no part is too long, none could have taken one more character."""
    found = segments(text, wide_ref=wide_ref)
    assert "".join(found.parts) == text
    assert sum(found.sizes) == found.units
    limit = found.encoding.joined_wide if wide_ref else found.encoding.joined
    assert all(0 < size <= (found.encoding.single if len(found) == 1 else limit) for size in found.sizes)
    for part, following, size in zip(found.parts, found.parts[1:], found.sizes, strict=False):
        assert size + units_of(following[0], found.encoding) > limit
        assert len(_octets(part, found.encoding)) == size * (1 if found.encoding is GSM else 2)


@given(st.one_of(MIXED, LATIN), st.booleans())
def test_no_character_is_cut(text: str, wide_ref: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    """Each part can be read by itself: no half of a surrogate pair or of an escape at either end."""
    found = segments(text, wide_ref=wide_ref)
    for part in found.parts:
        octets = _octets(part, found.encoding)
        if found.encoding is GSM:
            assert decode_gsm7(octets) == part
            assert octets[-1] != 0x1B
        elif "\ud83d" not in part:
            assert decode_ucs2(octets) == part


def _octets(part: str, encoding: Encoding) -> bytes:
    return encode_gsm7(part) if encoding is GSM else encode_ucs2(part)


def test_bytes() -> None:
    """Known octets of both encodings."""
    assert encode_ucs2("Привет").hex() == "041f04400438043204350442"
    assert encode_gsm7("€[@").hex() == "1b651b3c00"
    assert (decode_gsm7(b"\x1b\x41\x80\x1b"), decode_ucs2(b"\x04")) == ("A?", "\ufffd")
    with pytest.raises(ValueError, match="GSM-7"):
        encode_gsm7("ё")


@given(st.binary(max_size=300))
def test_any_octets_are_read(octets: bytes) -> None:
    """Whatever a handset sends reads as some text."""
    assert isinstance(decode_gsm7(octets) + decode_ucs2(octets), str)


def test_tidy() -> None:
    """Typography that alone would double the price goes; a text that needs UCS-2 anyway keeps its own."""
    assert tidy("“Order” – ready…\u00a0It’s 5\u202f€") == '"Order" - ready... It\'s 5 €'
    assert tidy("«Заказ» — готов…") == "«Заказ» — готов…"
    assert tidy("plain [text]") == "plain [text]"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("STOP", "out"),
        (" стоп! ", "out"),
        ("«Стоп».", "out"),
        ("Unsubscribe", "out"),
        ("ОТПИСКА", "out"),
        ("отписаться", "out"),
        ("quit\r\n", "out"),
        ("Старт", "in"),
        ("unstop", "in"),
        ("стоп, я передумал", None),
        ("stop spam me " * 20, None),
        ("ок", None),
        ("", None),
    ],
)
def test_consent_words(text: str, status: str | None) -> None:
    """The whole message must be the word, however it is typed."""
    assert consent_word(text) == status


def test_refusal_stands_beside_the_message() -> None:
    """The operator reads what the client wrote, and the address is no longer written to."""
    sender = Address("phone", "+79161234567")
    message = Item(
        kind="message", external_id="7", direction="in", sender=sender, text="Стоп", thread_key="+79161234567"
    )
    first, refusal = with_consent(message)
    assert first is message
    assert (refusal.kind, refusal.sender, refusal.meta["status"]) == ("opt_out", sender, "out")
    assert refusal.reason == "the client wrote Стоп"
    message.text = "Стоп-кран?"
    assert with_consent(message) == [message]
