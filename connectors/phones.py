"""Phone numbers as people type them and PBXs send them -> E.164. The one normaliser of the tree.

What is ambiguous is settled here and nowhere else:
- a number with a country code is believed when its length is possible (operators open ranges before the
  metadata knows them); one written without a country code must be valid in the channel's region;
- +7 is Russia and Kazakhstan: exactly ten national digits, the first of them 3 to 9;
- several numbers in one field: the first one counts;
- the reading of a number with a country code never depends on the region, so E.164 reads as itself everywhere.
Metadata: the library phonenumbers (phonenumberslite).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

import phonenumbers

MAX_RAW = 512  # a SIP header with display name and parameters
MAX_NUMBER = 64  # the part of it that holds the number
MIN_DIGITS = 7  # shorter ones are extensions, short codes, emergency numbers

SEVEN = frozenset({"RU", "KZ"})  # share +7, the trunk prefix 8 and the international prefix 8~10

# Keypad spellings of ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE that gateways send as a caller's number.
WITHHELD = frozenset({"266696687", "7378742833", "17378742833", "2562533", "8656696", "86282452253"})

_FAST = re.compile(r"(?:\+7|[78])([34789][0-9]{9})")
_SEVEN_BARE = re.compile(r"[78]([3-9]\d{9})")
_SEVEN_PLUS = re.compile(r"7[78]?([3-9]\d{9})")  # "+7 8 916 …" and "+7 7916…": a form's mask, then a paste
_PLUS_TRUNK = re.compile(r"8([39]\d{9})")  # "+8 916 …": no country code begins with 83 or 89
_NANP = re.compile(r"1[2-9]\d\d[2-9]\d{6}")
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_BARE = re.compile(r"[0-9 ().-]+")

_ANGLE = re.compile(r"<([^<>]*+)>?+[^<>]*+$")
_SCHEME = re.compile(r"(sips?|tel|callto):/{0,2}", re.IGNORECASE)
_LINK = re.compile(r"(?:wa\.me/|[?&](?:phone|number)=)(\+?[\d \-]+)", re.IGNORECASE)
_NUMBER_HOST = re.compile(r"(?:(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?|c\.us|s\.whatsapp\.net)", re.IGNORECASE)

_EXT_WORDS = r"доб(?:авочн\w*)?|вн(?:утр(?:енн\w*)?)?|ext(?:ension|n)?"
_EXT_LABELLED = re.compile(rf"(?<![^\W\d_])(?:{_EXT_WORDS})[\s.:=№-]*(\d{{1,8}})(?!\d)", re.IGNORECASE)
_EXT_SEPARATED = re.compile(r"(?:\s*[,;#]+|(?<!\*)\*|\s*(?<![^\W\d_])[xхpw]\.?)\s*(\d{1,6})\s*#?\s*$", re.IGNORECASE)
_LABEL_WORDS = (
    "тел(?:ефон)?|т|моб(?:ильный)?|м|сот(?:овый)?|раб(?:очий)?|дом(?:ашний)?|гор(?:одской)?|факс|"
    "phone|tel|mob(?:ile)?|cell|fax|whats ?app|viber"
)
_LABELS = re.compile(rf"^[\s.:,;-]*(?:(?:{_LABEL_WORDS})[\s.:№-]*)+(?=[+\d(\[])", re.IGNORECASE)

_DIALLED = re.compile(r"^[*#]+\d{2}#|#$")  # "#31#" hides the caller, the last "#" ends dialling
_MASKED = re.compile(
    r"[*_#]"
)  # "+7916***4567", an unfilled form mask: digits are missing, joining would invent a number
_LETTER = re.compile(r"[^\W\d_]")
_GLUED = re.compile(r"[^\W\d_]\d|\d[^\W\d_]")  # ids, sender names, vanity numbers
_PART = re.compile(r"\+?[\d\s().\[\]~-]+")
_SLASHED = re.compile(r"\+?[\d\s().\[\]~-]+(?:[/\\][\d\s().\[\]~-]+){1,4}")
_NOT_DIGIT = re.compile(r"[^0-9]+")
_FLOAT = re.compile(r"\s*(\d{10,15})[.]0{1,2}\s*")  # a spreadsheet's idea of a phone number


@dataclass(frozen=True, slots=True)
class Phone:
    """`e164`: "+79161234567". `ext`: digits of the extension as written, leading zeros kept, or empty."""

    e164: str
    ext: str = ""


def parse_phone(raw: str, region: str = "RU") -> Phone | None:
    """Pure and total. `region`: ISO 3166 code the number is local to; an unknown one allows country codes only.

    None is not a client's number: an extension of the PBX, a short code, a sender name, a withheld or impossible number.
    """
    plain = _FAST.fullmatch(raw)
    if plain is not None and (raw[0] == "+" or region in SEVEN):
        return Phone("+7" + plain[1])
    return _parse(raw, region.upper()) if len(raw) <= MAX_RAW else None


def is_internal(raw: str, *, max_digits: int = 6) -> bool:
    """An internal number of a PBX: bare digits, at most `max_digits`, also as the user of a SIP address."""
    if len(raw) > MAX_RAW:
        return False
    number = _address(_clean(raw))[0].strip()
    return 0 < len(number) <= max_digits and number.isdecimal()


def phone_query(raw: str, region: str) -> str | None:
    """What someone types into a search or sends as `identity=` -> E.164.

    A '+' in a URL's query arrives as a space, and scripts leave it out: such digits are read as +digits where that is a
    valid number. In Russia and Kazakhstan a complete national number typed without a space wins ("84951234567" is
    Moscow, though +84951234567 is a number in Vietnam).
    """
    text = raw.strip()
    if len(text) <= MAX_NUMBER and _BARE.fullmatch(text):
        digits = _NOT_DIGIT.sub("", text)
        region = region.upper()
        own = None
        if region in SEVEN and raw[0] != " ":
            own = _domestic(digits, region, strict=True, bare_international=False)
        found = own or _international(digits, strict=True)
        if found is not None:
            return found
    phone = parse_phone(raw, region)
    return phone.e164 if phone else None


@lru_cache(maxsize=16_384)
def _parse(raw: str, region: str) -> Phone | None:
    address, given_ext = _address(_clean(raw))
    address = _DIALLED.sub("", address.strip())
    if len(address) > MAX_NUMBER:
        return None
    for head, ext in _with_extension(address):
        number = _first_number(head, region)
        if number is not None:
            return Phone(number, given_ext or ext)
    return None


# --- text ---


def _clean(raw: str) -> str:
    """Every digit ASCII, every dash '-', every blank ' ', a line break '|', quotes blank, invisible characters gone."""
    text = unquote(raw) if "%" in raw else raw
    return "".join(map(_plain, text))


def _plain(char: str) -> str:
    if char in "\r\n\v\f\x85\u2028\u2029":
        return "|"
    if char in "\"'`":
        return " "
    if " " <= char <= "~":
        return char
    if "\uff01" <= char <= "\uff5e":  # full-width ASCII
        return chr(ord(char) - 0xFEE0)
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return _by_category(char, unicodedata.category(char))


def _by_category(char: str, category: str) -> str:
    if category == "Pd" or char in "\u2212\u2043\u00b7":
        return "-"
    if category in {"Cf", "Mn", "Me"}:
        return ""
    return char if category[0] == "L" else " "


def _address(text: str) -> tuple[str, str]:
    """The part that holds the number, out of `"Name" <sip:…@host;…>`, `tel:…;ext=…`, a wa.me link; and its ext."""
    angle = _ANGLE.search(text)
    if angle is not None:
        text = angle[1]
    text = text.strip()
    scheme = _SCHEME.match(text)
    if scheme is not None:
        user = text[scheme.end() :]
        if scheme[1].lower().startswith("sip"):
            user = user.partition("@")[0].partition(":")[0]
        return _uri_number(user)
    link = _LINK.search(text)
    if link is not None:
        return "+" + link[1], ""
    user, at, host = text.partition("@")
    if at and not _NUMBER_HOST.fullmatch(host.strip()):
        return "", ""  # an e-mail address, even if its local part looks like a number
    return user, ""


def _uri_number(user: str) -> tuple[str, str]:
    """RFC 3966: `+74951234567;ext=12`, `1234567;phone-context=+7495`."""
    number, *parameters = user.split(";")
    ext = ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        name, value = name.strip().lower(), value.strip() or name.strip()
        if value.isdecimal() and len(value) <= 8 and name in {"ext", value}:
            ext = value
        elif name == "phone-context" and value.startswith("+") and "+" not in number:
            number = value + number
    return number, ext


def _with_extension(text: str) -> Iterator[tuple[str, str]]:
    """(number, ext) as it may be meant, likeliest first; the whole text without one comes last."""
    for pattern in (_EXT_LABELLED, _EXT_SEPARATED):
        found = pattern.search(text)
        if found is not None:
            yield text[: found.start()], found[1]
    yield text, ""


# --- which of the digits are the number ---


def _first_number(text: str, region: str) -> str | None:
    text = re.sub(r"\+[\s+]*\+", "+", _LABELS.sub("", text))
    if _MASKED.search(text) or _GLUED.search(text):
        return None
    parts = [part for part in _PART.findall(text) if any(map(str.isdecimal, part))]
    if not parts:
        return None
    joined = text if _SLASHED.fullmatch(text.strip()) else ""
    wordy = _LETTER.search(text) is not None  # free text: only a number that is certainly one
    for strict in (True,) if wordy else (True, False):
        found = _number(parts[0], region, strict=strict) or _number(joined, region, strict=strict, slashed=True)
        if found is not None:
            return found
    for part in parts[1:]:
        found = _number(part, region, strict=True)
        if found is not None:
            return found
    return _first_of_run(parts[0], region)


def _first_of_run(part: str, region: str) -> str | None:
    """Two numbers with only a blank between them, or a number that went through a spreadsheet ("79161234567.0")."""
    spreadsheet = _FLOAT.fullmatch(part)
    if spreadsheet is not None:
        return _number(spreadsheet[1], region, strict=True)
    if sum(map(str.isdecimal, part)) <= 15:
        return None
    words = part.split()
    for count in range(1, len(words)):
        found = _number(" ".join(words[:count]), region, strict=True)
        if found is not None:
            return found
    return None


def _number(part: str, region: str, *, strict: bool, slashed: bool = False) -> str | None:
    """`slashed`: joined over slashes, which may as well be a list of extensions, so not a bare international number."""
    digits = _NOT_DIGIT.sub("", part)
    if "+" in part:
        return _international(digits, strict=strict)
    return _domestic(digits, region, strict=strict, bare_international=not slashed)


# --- what the digits mean ---


def _domestic(digits: str, region: str, *, strict: bool, bare_international: bool) -> str | None:
    """Digits without a plus: the region's own writing first, then international prefixes, then a left-out plus."""
    if not MIN_DIGITS <= len(digits) <= 20 or digits in WITHHELD:
        return None
    if region in SEVEN:
        found = _seven(digits, region, strict=strict)
    else:
        found = _in_region(digits, region, strict=True)
        if found is None and region == "UA" and re.fullmatch(r"80\d{9}", digits):  # the trunk 8~0 of before 2009
            found = _international("38" + digits[1:], strict=True)
    if found is None and digits.startswith("00"):
        found = _international(digits[2:], strict=strict)
    if found is None and bare_international and len(digits) >= 10:
        found = _international(digits, strict=True)
    if found is None and not strict and region not in SEVEN:
        found = _in_region(digits, region, strict=False)
    return found


def _seven(digits: str, region: str, *, strict: bool) -> str | None:
    complete = _SEVEN_BARE.fullmatch(digits)
    if complete is not None:
        return "+7" + complete[1]
    if digits.startswith("810") and len(digits) > 11:
        return _international(digits[3:], strict=strict)
    if len(digits) != 10:
        return None
    # Ten digits. 9…: a mobile number, whatever the metadata knows. 3…, 4…: may be abroad if no such area code is known.
    # 7…, 8… may be eleven with one lost, 5…, 6… a tax number: those must be valid.
    if digits[0] == "9" or (digits[0] in "34" and not strict):
        return "+7" + digits
    return _in_region(digits, region, strict=True)


def _in_region(digits: str, region: str, *, strict: bool) -> str | None:
    """As dialled inside the region. Not strict: where all its numbers have one length, ranges unknown to the metadata."""
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) and (strict or not _fixed_length(number, region)):
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return _international(e164[1:], strict=strict)


def _fixed_length(number: phonenumbers.PhoneNumber, region: str) -> bool:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.general_desc is None:
        return False
    lengths = metadata.general_desc.possible_length
    return len(lengths) == 1 and len(phonenumbers.national_significant_number(number)) == lengths[0] >= 9


def _international(digits: str, *, strict: bool) -> str | None:
    """Digits that begin with a country code. Never looks at a region: E.164 must read as itself everywhere."""
    digits = digits.removeprefix("00")
    if len(digits) < MIN_DIGITS or digits in WITHHELD:
        return None
    if digits[0] == "7":
        found = _SEVEN_PLUS.fullmatch(digits)
        return "+7" + found[1] if found else None
    if digits[0] == "8":
        found = _PLUS_TRUNK.fullmatch(digits)
        if found is not None:
            return "+7" + found[1]
    if digits.startswith("521") and len(digits) == 13:  # Mexico's mobile 1, gone in 2019, still in WhatsApp's ids
        digits = "52" + digits[3:]
    if digits[0] == "1" and not _NANP.fullmatch(digits):
        return None
    e164 = _assigned("+" + digits, strict=strict)
    # The library drops a trunk zero ("+44 (0)20 …"): what is left must be stable.
    return e164 if e164 is None or e164 == "+" + digits or _assigned(e164, strict=strict) == e164 else None


def _assigned(text: str, *, strict: bool) -> str | None:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    accept = phonenumbers.is_valid_number if strict else _possible
    if not accept(number):
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164 if _E164.fullmatch(e164) else None


def _possible(number: phonenumbers.PhoneNumber) -> bool:
    reason = phonenumbers.is_possible_number_with_reason(number)
    return reason == phonenumbers.ValidationResult.IS_POSSIBLE  # not "possible, but local only"
