"""What a field of a form means, by its name in Russian or English, by its builder's hint, at last by its value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.addresses import normalize_email
from connectors.phones import parse_phone
from connectors.site.form_body import Field

Role = Literal[
    "name",
    "first_name",
    "last_name",
    "middle_name",
    "phone",
    "email",
    "message",
    "company",
    "telegram",
    "submission",
    "form_id",
    "form_name",
    "page",
    "referrer",
    "submitted_at",
    "consent",
    "consent_text",
    "consent_at",
    "source",
    "technical",
    "service",
    "other",
]

LABELS: Mapping[str, str] = {
    "name": "Имя",
    "first_name": "Имя",
    "last_name": "Фамилия",
    "middle_name": "Отчество",
    "phone": "Телефон",
    "email": "E-mail",
    "message": "Сообщение",
    "company": "Компания",
    "telegram": "Telegram",
}
"""Roles that people read, and how they are called in the stream; `other` is called as on the site. `technical` is kept
beside, `service` (tokens, cookies) is not.
"""

_NAMES: dict[Role, str] = {
    "name": "name fullname full_name fio person imya имя фио ф_и_о имя_фамилия имя_и_фамилия фамилия_имя "
    "фамилия_имя_отчество фамилия_и_имя как_вас_зовут как_к_вам_обращаться контактное_лицо ваше_имя",
    "first_name": "first_name firstname fname given_name",
    "last_name": "last_name lastname lname surname family_name фамилия",
    "middle_name": "middle_name middlename patronymic отчество",
    "phone": "phone tel telephone mobile cell telefon phone_number phonenumber tel_number телефон тел номер_телефона "
    "мобильный мобильный_телефон контактный_телефон моб whatsapp viber",
    "email": "email e_mail mail e_mail_address email_address почта эл_почта электронная_почта электронный_адрес "
    "емейл имейл емайл е_мейл",
    "message": "message msg comment comments textarea text question body сообщение комментарий комментарии вопрос текст "
    "текст_сообщения пожелания",
    "company": "company company_name organization organisation org компания название_компании организация фирма",
    "telegram": "telegram tg телеграм телеграмм",
}
_CONTROL: dict[Role, str] = {
    "submission": "submission_id submissionid tranid event_id response_id answer_id entry_id uuid",
    "form_id": "formid form_id form.id _wpcf7 form quiz.id",
    "form_name": "formname form_name form.name form_title quiz.name",
    "page": "page page_url pageurl _page url href meta.page_url meta.page_url.value page_location landing",
    "referrer": "referrer referer _referrer http_referer",
    "submitted_at": "submitted_at",
    "consent": "consent agree agreement agreed privacy privacy_policy personal_data acceptance terms gdpr pd "
    "consent.given consent.accepted согласие согласен политика персональные_данные",
    "consent_text": "consent_text consent.text consent.text_id consent_version",
    "consent_at": "consent_at consent.at consent_time",
    "technical": "tz timezone lang language locale ip user_agent meta.user_agent meta.remote_ip meta.date meta.time "
    "meta.credit created hp platform",
    "service": "_t t _next redirect _redirect cookies g_recaptcha_response h_captcha_response cf_turnstile_response "
    "smart_token altcha _wpcf7_version _wpcf7_locale _wpcf7_unit_tag _wpcf7_container_post _wpcf7_posted_data_hash "
    "_wpnonce _wp_http_referer action csrf csrf_token _token form_key jsonrpc method event_type",
}
_MARKS = (
    "yclid ymclid gclid gbraid wbraid dclid fbclid ttclid msclkid vk_click_id rb_clickid etext openstat _openstat erid "
    "roistat roistat_visit rs ym_uid _ym_uid ga _ga _fbp _fbc _ct_session_id _comagic_id utmstat"
)
_SOURCE = frozenset(_MARKS.split())
_HINTS: Mapping[str, Role] = {"email": "email", "tel": "phone", "phone": "phone", "phone_number": "phone"}

ROLES: dict[str, Role] = {word: role for role, words in _NAMES.items() for word in words.split()}
CONTROL: dict[str, Role] = {word: role for role, words in _CONTROL.items() for word in words.split()}

_DECOR = re.compile(r"[*:?!()\"'«»]+")
_BREAKS = re.compile(r"[\s\-–—./]+")
_PREFIX = re.compile(r"^(?:your|user|client|contact|field|input|form|billing|lead|ваш|ваша|ваше|ваши|введите|укажите)_")
_SUFFIX = re.compile(r"_?\d{1,3}$")
# A word of the name that decides, when the whole is in no table: "Phone number *", "Ваш рабочий телефон".
_TELLING: tuple[tuple[frozenset[str], Role], ...] = (
    (frozenset({"phone", "tel", "telephone", "mobile", "телефон", "телефона", "тел"}), "phone"),
    (frozenset({"email", "mail", "e-mail", "почта", "почты", "почту"}), "email"),
    (frozenset({"message", "comment", "сообщение", "комментарий", "вопрос"}), "message"),
    (frozenset({"company", "компания", "компании", "организации"}), "company"),
)
_NO = frozenset({"", "0", "false", "no", "n", "нет", "off", "не согласен", "не согласна"})
_YES = frozenset({"1", "true", "yes", "y", "on", "да", "ok", "checked", "accepted"})


def role_of(field: Field) -> Role:
    """Total. Control names are looked up as written, people's ones without decoration, prefixes and numbers."""
    key = _DECOR.sub("", field.name.casefold()).strip().replace("ё", "е")
    whole = _BREAKS.sub("_", key).rstrip("_")
    control = CONTROL.get(key) or CONTROL.get(whole)
    if control is not None:
        return control
    if key.startswith(("utm_", "tracking.")) or key in _SOURCE:
        return "source"
    if key.startswith(("cookies.", "csrf")):
        return "service"
    if key.startswith(("_", "meta.")):
        return "technical"
    if field.hint in _HINTS:
        return _HINTS[field.hint]
    short = _SUFFIX.sub("", _PREFIX.sub("", whole.strip("_")))
    role = ROLES.get(whole.strip("_")) or ROLES.get(short)
    if role is None:
        words = set(short.split("_"))
        if words & {"согласие", "согласен", "consent"} or CONTROL.get(short) == "consent":
            return "consent"
        role = next((role for telling, role in _TELLING if telling & words), None)
    return role or _by_value(field.value)


def _by_value(value: str) -> Role:
    """An address speaks for itself; digits alone may be an order's number."""
    if len(value) > 254 or "\n" in value:
        return "other"
    if "@" in value and " " not in value and normalize_email(value) is not None:
        return "email"
    return "phone" if value.startswith("+") and parse_phone(value) is not None else "other"


def consent_of(fields: Sequence[tuple[Field, Role]]) -> dict[str, Any]:
    """{given, text, at}: the first box of the form that is about consent, and what the page says of it."""
    said: dict[str, Field] = {}
    for field, role in fields:
        if role in {"consent", "consent_text", "consent_at"}:
            said.setdefault(role, field)
    if not said:
        return {}
    box = said.get("consent")
    value = box.value.casefold() if box is not None else ""
    # Some forms send the very sentence as the box's value, or call the box by it.
    spoken = box.value if box is not None and value not in _YES | _NO else ""
    text = said["consent_text"].value if "consent_text" in said else spoken
    if not text and box is not None and " " in (box.label or box.name):
        text = box.label or box.name
    found: dict[str, Any] = {"given": box is None or value not in _NO}
    if text:
        found["text"] = text[:1000]
    if "consent_at" in said and said["consent_at"].value:
        found["at"] = said["consent_at"].value[:40]
    return found


def source_of(fields: Sequence[tuple[Field, Role]], referer: str) -> dict[str, Any]:
    """Marks of advertising, flat, of the first touch where the page tells several; `page`, `referrer`."""
    found: dict[str, Any] = {}
    last: dict[str, str] = {}
    for field, role in fields:
        name = field.name.casefold()
        if role == "source" and field.value:
            touch, _, mark = name.removeprefix("tracking.").rpartition(".")
            (last if touch == "last" else found).setdefault(mark[:40], field.value[:500])
        elif role in {"page", "referrer"} and field.value:
            found.setdefault(role, field.value[:1000])
        elif name == "cookies":
            for mark, value in _cookie_marks(field.value):
                found.setdefault(mark, value)
    if referer:
        found.setdefault("page", referer[:1000])
    for mark, value in _marks(_query(str(found.get("page", "")))):
        found.setdefault(mark, value)
    if last and last.items() - found.items():
        found["last"] = last
    return found


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, max_num_fields=200)
    except ValueError:
        return []


def _marks(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    lower = ((name.casefold(), value) for name, value in pairs)
    return [(name[:40], value[:500]) for name, value in lower if value and (name.startswith("utm_") or name in _SOURCE)]


def _cookie_marks(cookies: str) -> list[tuple[str, str]]:
    """Tilda's COOKIES: the visitor's ids, and TILDAUTM with `utm_source=…|||utm_campaign=…` inside. All else is dropped."""
    pairs: list[tuple[str, str]] = []
    for cookie in cookies.split(";")[:200]:
        name, _, value = cookie.strip().partition("=")
        if name.casefold() == "tildautm":
            marks = unquote(value).split("|||")
            pairs += [(mark.partition("=")[0], mark.partition("=")[2]) for mark in marks]
        else:
            pairs.append((name, unquote(value)))
    return _marks(pairs)
