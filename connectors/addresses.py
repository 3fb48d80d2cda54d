"""E-mail addresses and messenger usernames in the one form that matching compares.

E-mail: lower case on both sides of the @ (no provider in use tells `Ivan@` from `ivan@`), the domain in its ASCII form
(`xn--…`, IDNA 2008 without its bidi rules). Dots and +tags of the local part stay: whose they are only the provider knows.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal
from urllib.parse import unquote, urlsplit

MAX_RAW = 1024
MAX_EMAIL_BYTES = 254  # RFC 5321, 4.5.3.1.3 less the angle brackets
MAX_LOCAL_BYTES = 64
MAX_LABEL = 63

_ANGLE = re.compile(r"<([^<>]*+)>?+[^<>]*+$")
_COMMENT = re.compile(r"\s*\([^()]*\)\s*$")
_LOCAL_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+")  # RFC 5322 atext, letters of any script (RFC 6532)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")  # IDNA: these separate labels as well

_USERNAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{1,63}")
_HOSTS = frozenset({"t.me", "telegram.me", "telegram.dog", "vk.com", "m.vk.com", "vk.ru", "m.vk.ru", "instagram.com"})
_TELEGRAM_SUBDOMAIN = re.compile(r"([a-z0-9_]+)\.t\.me")
# First path segments of links that lead to no person: invitations, stickers, private groups, posts.
_NOT_PEOPLE = frozenset(
    {"joinchat", "c", "addstickers", "addemoji", "addtheme", "share", "proxy", "socks", "login", "setlanguage"}
    | {"p", "reel", "reels", "stories", "explore", "feed", "im", "video", "app"}
)


def normalize_email(raw: str) -> str | None:
    """`"Иван" <Ivan@Пример.РФ>` -> `ivan@xn--e1afmkfd.xn--p1ai`. None: not one deliverable address. Pure, total.

    Of a list the first counts. Quoted local parts are taken where the quotes were needless; address literals are not.
    """
    if len(raw) > MAX_RAW:
        return None
    local, at, domain = _bare_address(raw).rpartition("@")
    if not at:
        return None
    folded = _local(local)
    ascii_domain = _domain(domain)
    if folded is None or ascii_domain is None:
        return None
    address = f"{folded}@{ascii_domain}"
    return address if _size(address) <= MAX_EMAIL_BYTES else None


def normalize_username(raw: str) -> str | None:
    """`@Ivan_P`, `https://t.me/Ivan_P?start=x` -> `ivan_p`. None: an e-mail, a phone, an invitation link, no username.

    Digits alone are an id or a phone number, never a username.
    """
    text = _visible(raw).strip().lower() if len(raw) <= MAX_RAW else ""
    name = _from_link(text).removeprefix("@")
    if not _USERNAME.fullmatch(name) or name.endswith((".", "-")):
        return None
    return name if any("a" <= char <= "z" for char in name) else None


def _bare_address(raw: str) -> str:
    text = _visible(raw).strip()
    angle = _ANGLE.search(text)
    if angle is not None:
        text = angle[1].strip()
    if text[:7].lower() == "mailto:":
        text = unquote(text[7:].partition("?")[0])
    text = re.split(r"[,;]", text.strip(" ,;"), maxsplit=1)[0]
    return _COMMENT.sub("", text).replace("\uff20", "@").strip().rstrip(".")


def _visible(text: str) -> str:
    """Without zero-width and other format characters, which come along with a paste."""
    return text if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Cf")


def _fold(text: str, form: Literal["NFC", "NFKC"]) -> str:
    """Lower case in one Unicode form; twice, as lowering can leave the form."""
    for _ in range(2):
        text = unicodedata.normalize(form, text).lower()
    return unicodedata.normalize(form, text)


def _local(text: str) -> str | None:
    if len(text) > 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    text = _fold(text, "NFC")
    if not all(_LOCAL_ATOM.fullmatch(atom) for atom in text.split(".")):
        return None
    return text if _size(text) <= MAX_LOCAL_BYTES else None


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _domain(text: str) -> str | None:
    labels = _fold(text.translate(_DOTS), "NFKC").rstrip(".").split(".")
    if len(labels) < 2:
        return None
    encoded = [_a_label(label) for label in labels]
    if encoded[-1] is None or encoded[-1].isdigit():
        return None
    return ".".join(label for label in encoded if label is not None) if None not in encoded else None


def _a_label(label: str) -> str | None:
    if not label.isascii():
        if label.startswith("xn--") or not all(c == "-" or unicodedata.category(c)[0] in "LMN" for c in label):
            return None
        if label[0] == "-" or label[-1] == "-" or unicodedata.category(label[0])[0] == "M":
            return None
        label = "xn--" + label.encode("punycode").decode("ascii")
    return label if len(label) <= MAX_LABEL and _LABEL.fullmatch(label) else None


def _from_link(text: str) -> str:
    """The name in a link to a person, "" for a link to something else, the text itself where it is no link."""
    resolve = re.match(r"tg:/{0,2}resolve\?(?:.*&)?domain=([a-z0-9_]+)", text)
    if resolve is not None:
        return resolve[1]
    has_scheme = text.startswith(("http://", "https://"))
    if not has_scheme and "/" not in text:
        subdomain = _TELEGRAM_SUBDOMAIN.fullmatch(text)
        return subdomain[1] if subdomain else text
    try:
        link = urlsplit(text if has_scheme else "https://" + text)
    except ValueError:  # a bracket in the host
        return ""
    host = link.netloc.removeprefix("www.")
    subdomain = _TELEGRAM_SUBDOMAIN.fullmatch(host)
    if subdomain is not None:
        return subdomain[1]
    path = [segment for segment in link.path.split("/") if segment]
    if path[:1] == ["s"]:  # t.me/s/name: the preview of a channel
        path = path[1:]
    if host not in _HOSTS or not path or path[0] in _NOT_PEOPLE:
        return ""
    return path[0]
