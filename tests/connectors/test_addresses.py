"""E-mail addresses and usernames in the one form that matching compares."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from connectors.addresses import MAX_EMAIL_BYTES, MAX_RAW, normalize_email, normalize_username

IVAN = "ivan.petrov@mail.example"
# Characters that steer the two functions, so that random text gets past their first doors.
mailish = st.text(st.sampled_from("abIÉйİßςǅ.@-_+<>\"' ,;:/?#%()[]012xn\u0301\u200b\u3002\uff20\ud800ﬁ"), max_size=40)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (IVAN, IVAN),
        ("  Ivan.Petrov@MAIL.Example \n", IVAN),
        ("<Ivan.Petrov@mail.example>", IVAN),
        ("Иван Петров <ivan.petrov@mail.example>", IVAN),
        ('"Petrov, Ivan <old@x.example>" <ivan.petrov@mail.example>', IVAN),
        ("<ivan.petrov@mail.example", IVAN),
        ("mailto:Ivan.Petrov@mail.example?subject=hi@you.example", IVAN),
        ("MAILTO:ivan%2Epetrov%40mail.example", IVAN),
        ("Иван <mailto:ivan.petrov@mail.example>", IVAN),
        ("ivan.petrov@mail.example.", IVAN),
        ("ivan.petrov@mail.example\u3002", IVAN),
        ("ivan.petrov@mail.example;", IVAN),
        ("ivan.petrov@mail.example, anna@mail.example", IVAN),
        ("ivan.petrov@mail.example (Ivan)", IVAN),
        ("ivan.petrov\uff20mail.example", IVAN),
        ("\u200bivan.petrov@mail.example\ufeff", IVAN),
        ("ivan.petrov@mail\u3002example", IVAN),
        ('"ivan.petrov"@mail.example', IVAN),
        ("ivan+shop@gmail.com", "ivan+shop@gmail.com"),
        ("i.v.a.n@gmail.com", "i.v.a.n@gmail.com"),
        ("o'brien@mail.example", "o'brien@mail.example"),
        ("Иван@Пример.РФ", "иван@xn--e1afmkfd.xn--p1ai"),
        ("ivan@XN--E1AFMKFD.xn--p1ai", "ivan@xn--e1afmkfd.xn--p1ai"),
        ("ivan@stra\u00dfe.example", "ivan@xn--strae-oqa.example"),
        ("и\u0306ван@mail.example", "йван@mail.example"),
        ("a" * 64 + "@mail.example", "a" * 64 + "@mail.example"),
    ],
)
def test_email(raw: str, wanted: str) -> None:
    """Each writing of an address becomes the one that is compared; dots and tags of the local part stay."""
    assert normalize_email(raw) == wanted


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "@",
        "ivan",
        "ivan@",
        "@mail.example",
        "ivan@localhost",
        "ivan@mail..example",
        "ivan@.example",
        "ivan@-mail.example",
        "ivan@mail-.example",
        "ivan@ma_il.example",
        "ivan@mail.example:25",
        "ivan@10.0.0.1",
        "ivan@[10.0.0.1]",
        "ivan..petrov@mail.example",
        ".ivan@mail.example",
        "ivan.@mail.example",
        "iv an@mail.example",
        "ivan@ma il.example",
        "ivan@@mail.example",
        '"iv an"@mail.example',
        "ivan\x00@mail.example",
        "ivan\r\nBcc:x@mail.example",
        "ivan@❤.example",
        "+79161234567",
        "<>",
        "a" * 65 + "@mail.example",
        "ж" * 33 + "@mail.example",
        "ivan@" + "a" * 64 + ".example",
        "ivan@" + ("a" * 60 + ".") * 4 + "example",
        "a@mail.example" + " " * MAX_RAW,
    ],
)
def test_not_an_email(raw: str) -> None:
    """What no server could deliver to is no address."""
    assert normalize_email(raw) is None


@given(raw=st.one_of(st.text(), mailish, st.emails()))
@example(raw="a@İ.İ")
@example(raw="a@xn--.b")
@example(raw="ά\u0345@ά\u0345.b")
def test_email_total_and_idempotent(raw: str) -> None:
    """Any text gives an address within the limits that reads as itself, or None; never an exception."""
    address = normalize_email(raw)
    if address is not None:
        assert normalize_email(address) == address
        assert len(address.encode()) <= MAX_EMAIL_BYTES
        assert address.rpartition("@")[2].isascii()
        assert not any(mark in address for mark in ' <>,;"\r\n')


@given(
    name=st.from_regex(r"[A-Za-z0-9_+-]{1,30}", fullmatch=True), display=st.from_regex(r"[\w ]{0,20}", fullmatch=True)
)
def test_email_wrapping(name: str, display: str) -> None:
    """Case, display name and brackets never make a second identity."""
    wanted = f"{name.lower()}@mail.example"
    for raw in (f"{name}@mail.example", f"{name.upper()}@MAIL.EXAMPLE", f"{display} <{name}@mail.example>"):
        assert normalize_email(raw) == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("ivan_petrov", "ivan_petrov"),
        ("@Ivan_Petrov", "ivan_petrov"),
        ("  @ivan_petrov\u200b ", "ivan_petrov"),
        ("https://t.me/Ivan_Petrov", "ivan_petrov"),
        ("http://www.t.me/ivan_petrov/", "ivan_petrov"),
        ("t.me/ivan_petrov?start=promo", "ivan_petrov"),
        ("t.me/@ivan_petrov", "ivan_petrov"),
        ("t.me/s/ivan_petrov", "ivan_petrov"),
        ("t.me/ivan_petrov/123", "ivan_petrov"),
        ("telegram.me/ivan_petrov", "ivan_petrov"),
        ("ivan_petrov.t.me", "ivan_petrov"),
        ("https://ivan_petrov.t.me/", "ivan_petrov"),
        ("tg://resolve?domain=Ivan_Petrov&start=1", "ivan_petrov"),
        ("https://vk.com/ivan.petrov", "ivan.petrov"),
        ("instagram.com/_ivan.petrov", "_ivan.petrov"),
        ("ivan.petrov", "ivan.petrov"),
    ],
)
def test_username(raw: str, wanted: str) -> None:
    """A name, with @, or a link to the person: one lower-case name."""
    assert normalize_username(raw) == wanted


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "@",
        "a",
        "12345",
        "@79161234567",
        "https://t.me/+79161234567",
        "https://t.me/+AbCdEfGh",
        "https://t.me/joinchat/AbCdEf",
        "https://t.me/c/1234567/8",
        "https://t.me/addstickers/cats",
        "https://t.me/",
        "https://t.me",
        "https://evil.example/ivan_petrov",
        "https://t.me@evil.example/ivan_petrov",
        "https://[t.me/ivan",
        "ivan@mail.example",
        "ivan petrov",
        "иван",
        "@@ivan",
        "ivan.",
        "a" * 65,
        "x" * 10_000,
    ],
)
def test_not_a_username(raw: str) -> None:
    """Ids, phones, e-mails, invitations and other sites are no usernames."""
    assert normalize_username(raw) is None


@given(raw=st.one_of(st.text(), mailish, st.builds("t.me/{}".format, st.text(max_size=10))))
def test_username_total_and_idempotent(raw: str) -> None:
    """Any text gives a name that reads as itself, or None; never an exception."""
    name = normalize_username(raw)
    if name is not None:
        assert normalize_username(name) == name
        assert normalize_username("@" + name.upper()) == name


@given(name=st.from_regex(r"[a-z][a-z0-9_]{3,31}", fullmatch=True))
def test_username_link_is_the_name(name: str) -> None:
    """The link and the name are one identity."""
    assume(name not in {"joinchat", "share", "login", "proxy", "socks"})
    assert normalize_username(f"https://t.me/{name.upper()}") == normalize_username(f"@{name}") == name
