"""Do two names mean one person? Names in Cyrillic and Latin brought to one skeleton, and compared word by word: pure.

Romanisations differ (Юлия: Yuliya, Iuliia, Julia, Yulia), so a name is looked for in several spellings, and compared by
a skeleton in which they fall together. Folding as the name's index has it: lower case, ё as е.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_BASE = dict(zip("абвгдезийклмнопрстуфыэіґ", "abvgdeziyklmnoprstufyeig", strict=True))
_BASE |= {"ь": "", "ъ": "", "ї": "yi", "є": "ye"}
_ROMAN = (
    _BASE | {"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya"},
    _BASE | {"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "iu", "я": "ia", "й": "i"},
    _BASE | {"ж": "j", "х": "h", "ц": "c", "ч": "ch", "ш": "sh", "щ": "sch", "ю": "u", "я": "ya", "ы": "i"},
    _BASE | {"ж": "sch", "х": "ch", "ц": "z", "ч": "tsch", "ш": "sch", "щ": "schtsch", "ю": "ju", "я": "ja", "в": "w"},
)
"""As people write it, as in passports (ICAO 9303), as in chats, as in German."""

_CYRILLIC = (
    ("shch", "щ"),
    ("schtsch", "щ"),
    ("tsch", "ч"),
    ("sch", "щ"),
    ("zh", "ж"),
    ("kh", "х"),
    ("ch", "ч"),
    ("sh", "ш"),
    ("ts", "ц"),
    ("ph", "ф"),
    ("th", "т"),
    ("ck", "к"),
    ("iya", "ия"),
    ("iia", "ия"),
    ("ija", "ия"),
    ("yu", "ю"),
    ("iu", "ю"),
    ("ju", "ю"),
    ("ya", "я"),
    ("ia", "ия"),
    ("ja", "я"),
    ("ye", "е"),
    ("yo", "е"),
    ("jo", "е"),
    ("iy", "ий"),
    ("ii", "ий"),
    ("ey", "ей"),
    ("ei", "ей"),
    ("ay", "ай"),
    ("ai", "ай"),
    ("oy", "ой"),
    ("yy", "ый"),
    ("x", "кс"),
    *zip("abcdefghijklmnopqrstuvwyz", "абкдефгхижклмнопкрстуввыз", strict=True),
)
_LATIN_PART = re.compile("|".join(latin for latin, _ in _CYRILLIC))
_TO_CYRILLIC = dict(_CYRILLIC)
_FALLS_TOGETHER = tuple(
    (re.compile(pattern), by)
    for pattern, by in (
        ("schtsch|shch|sch|sh", "S"),
        ("tsch|ch", "C"),
        ("zh", "Z"),
        ("kh", "h"),
        ("ts|tz|c(?=[eiy])", "z"),
        ("ph", "f"),
        ("th", "t"),
        ("ck|q|c", "k"),
        ("x", "ks"),
        ("w", "v"),
        ("[yj]", "i"),
        ("ie|io", "e"),
        (r"(.)\1+", r"\1"),
    )
)
_FORMS = (
    "ооо оао зао пао ао нао ип чп тоо одо гк нко ано ооп llc ltd limited inc corp corporation gmbh ag co company"
    " ooo oao zao pao ao ip tov тов компания фирма"
)
_LEGAL = frozenset(_FORMS.split())
_YO = str.maketrans("ё", "е")
_PATRONYMIC = re.compile(r"(?:[oe]viC|[oe]?vna|iCna|liC|miC)$")
MIN_LETTERS = 7
"""Of the words that agree: shorter names say too little."""


@dataclass(frozen=True, slots=True)
class Name:
    """`words`: skeletons of at least two letters; `initials`: single letters; `numbers`: "Client 17" is not "Client 18"."""

    words: tuple[str, ...]
    initials: tuple[str, ...]
    numbers: tuple[str, ...]
    cyrillic: bool


def fold(name: str) -> str:
    """As in the index of names: lower case, ё as е."""
    return unicodedata.normalize("NFC", name).lower().translate(_YO)


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+(?:['’ʼ][^\W\d_]+)*", fold(name))


def to_name(text: str, *, company: bool = False) -> Name:
    """The name taken apart; of a company without its legal form."""
    words = [word for word in _words(text) if not (company and word in _LEGAL)]
    bones = [skeleton(word) for word in words]
    return Name(
        tuple(bone for bone in bones if len(bone) > 1),
        tuple(bone for bone in bones if len(bone) == 1),
        tuple(sorted(re.findall(r"\d+", text))),
        _is_cyrillic(text),
    )


def _is_cyrillic(text: str) -> bool:
    return any("а" <= char <= "я" or char in "іїєґ" for char in fold(text))


def skeleton(word: str) -> str:
    """A folded word in the letters all its romanisations fall together in."""
    bones = "".join(_ROMAN[0].get(char, char) for char in re.sub("['’ʼ]", "", word))
    for pattern, by in _FALLS_TOGETHER:
        bones = pattern.sub(by, bones)
    return bones


def spellings(text: str, *, company: bool = False) -> list[str]:
    """The folded name, and how it may be written in the other alphabet; of a company without its legal form."""
    words = " ".join(word for word in _words(text) if not (company and word in _LEGAL))
    if not words:
        return []
    if _is_cyrillic(words):
        other = ["".join(table.get(char, char) for char in words) for table in _ROMAN]
    elif words.isascii():
        cyrillic = _LATIN_PART.sub(lambda found: _TO_CYRILLIC[found[0]], words)
        other = [cyrillic, re.sub(r"(?<=[бвгджзклмнпрстфхцчшщ])ы\b", "ий", cyrillic)]
    else:
        other = []
    return list(dict.fromkeys([words, *other]))


def likeness(one: Name, two: Name) -> tuple[float, int]:
    """(0 to 1, words that agree, patronymics not counted). All words of the shorter name must be in the longer one; between two alphabets each may
    be one letter off, within one alphabet one of them. Endings of gender (Петров, Петрова) are no slip.
    """
    less, more = sorted((one, two), key=lambda name: len(name.words))
    free, slips, agreed = list(more.words), 0, []
    same_alphabet = one.cyrillic == two.cyrillic
    for word in less.words:
        found = (
            word
            if word in free
            else next((other for other in free if _is_slip(word, other, 5 if same_alphabet else 4)), None)
        )
        if found is None:
            return 0.0, 0
        slips += found != word
        agreed.append(word)
        free.remove(found)
    if (
        not agreed
        or one.numbers != two.numbers
        or (slips > 1 and same_alphabet)
        or not _initials_fit(less.initials, free)
    ):
        return 0.0, 0
    score = 0.95 - 0.1 * slips - 0.1 * bool(free) - 0.05 * (not same_alphabet)
    names = [word for word in agreed if not _PATRONYMIC.search(word)]
    return round(score, 3), len(names) if sum(map(len, names)) >= MIN_LETTERS else min(len(names), 1)


def _initials_fit(initials: tuple[str, ...], words: list[str]) -> bool:
    """An initial must open a word that is left over, where any is."""
    return not words or all(any(word.startswith(initial) for word in words) for initial in initials)


def _is_slip(one: str, two: str, floor: int) -> bool:
    """One letter too many, too few or another, in words of at least `floor`; not the ending of gender."""
    if min(len(one), len(two)) < floor:
        return False
    short, long = sorted((one, two), key=len)
    if len(long) - len(short) > 1 or long in {short + "a", short + "ia"}:
        return False
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    return short[start + (len(short) == len(long)) :] == long[start + 1 :]
