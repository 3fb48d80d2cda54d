"""What a site's form sends, whatever wrote it -> fields in their order, and files.

Browsers (urlencoded, multipart, in the page's charset), scripts (JSON, also as text/plain, which needs no preflight) and
the form builders' own shapes: Tilda, Elementor (`fields[x][value]`), Contact Form 7, Typeform, Marquiz (`answers: [{q, a}]`),
JSON-RPC of Yandex Forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from config.errors import BadPayload
from connectors.base import Payload, parse
from connectors.formdata import Part, charset_of, known_charset, parts_of, raw_pairs, to_text

MAX_FIELDS = 500
MAX_FIELD_BYTES = 64 << 10
MAX_NAME = 200
MAX_DEPTH = 8


class Field(NamedTuple):
    """`hint`: what the form's builder says it is (email, phone …); `label`: how the form calls it, if not by its name."""

    name: str
    value: str
    hint: str = ""
    label: str = ""


class Submitted(NamedTuple):
    """`files` are spans of `body`."""

    fields: list[Field]
    files: list[Part]
    body: bytes


def read(payload: Payload) -> Submitted:
    """Raises BadPayload: neither of the formats, cut short, too many fields, one of them too long."""
    full = payload.headers.get("content-type", "")
    if payload.content_type == "multipart/form-data":
        return _multipart(payload.body, full)
    body = payload.body.strip()
    if payload.content_type.endswith("json") or body.startswith(b"{"):
        return Submitted(_checked(_joined(json_fields(parse(dict[str, Any], body)))), [], b"")
    if payload.content_type.startswith("multipart/"):
        raise BadPayload("headers.content-type", "expected multipart/form-data")
    pairs = raw_pairs(payload.body)
    return Submitted(_decoded(pairs, charset_of(full)), [], b"")


def _multipart(body: bytes, content_type: str) -> Submitted:
    parts = parts_of(body, content_type)
    pairs: list[tuple[bytes, bytes]] = []
    for number, part in enumerate(parts):
        if part.filename is not None:
            continue
        if part.size > MAX_FIELD_BYTES:
            raise BadPayload(f"body.part[{number}]", f"a field of more than {MAX_FIELD_BYTES} bytes")
        pairs.append((part.name.encode("utf-8", "surrogatepass"), body[part.start : part.end]))
    # An input nobody chose a file for comes as an empty file without a name.
    files = [part for part in parts if part.filename is not None and (part.filename or part.size)]
    return Submitted(_decoded(pairs, charset_of(content_type)), files, body)


def _decoded(pairs: Iterable[tuple[bytes, bytes]], charset: str) -> list[Field]:
    """`_charset_` is the hidden field into which a browser writes the page's charset."""
    pairs = list(pairs)
    told = next((value for name, value in pairs if name == b"_charset_"), b"")
    charset = known_charset(told.decode("ascii", "ignore")) or charset
    texts = ((to_text(name, charset), value) for name, value in pairs if name != b"_charset_")
    return _checked(_joined(_unbracketed((name, _value(name, value, charset)) for name, value in texts)))


def _value(name: str, raw: bytes, charset: str) -> str:
    if len(raw) > MAX_FIELD_BYTES:
        raise BadPayload(name[:MAX_NAME], f"a field of more than {MAX_FIELD_BYTES} bytes")
    return to_text(raw, charset)


def _checked(fields: list[Field]) -> list[Field]:
    if len(fields) > MAX_FIELDS:
        raise BadPayload("body", f"more than {MAX_FIELDS} fields")
    for field in fields:
        if len(field.value) > MAX_FIELD_BYTES:
            raise BadPayload(field.name[:MAX_NAME], f"a field of more than {MAX_FIELD_BYTES} bytes")
    return fields


def _joined(fields: Iterable[Field]) -> list[Field]:
    """Boxes of one group share a name: one field with all that were ticked, at the place of the first."""
    found: dict[str, Field] = {}
    for field in fields:
        clean = field._replace(name=field.name.strip()[:MAX_NAME], value=field.value.replace("\r\n", "\n").strip())
        before = found.get(clean.name)
        if before is None:
            found[clean.name] = clean
        elif clean.value and clean.value != before.value:
            found[clean.name] = before._replace(value=", ".join(filter(None, (before.value, clean.value))))
    return list(found.values())


# ---------------------------------------------------------------- names with brackets

LONGEST_NAME = 1000
_ELEMENTOR = re.compile(r"(?:form_)?fields\[([^\]]+)\](?:\[(\w+)\])?")
# An opening bracket ends the search for the one before it: a name of nothing but those must not cost its square.
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_OF_ELEMENTOR = frozenset({"value", "title", "type", "id", "raw_value", "required"})


def _unbracketed(pairs: Iterable[tuple[str, str]]) -> Iterator[Field]:
    """`fields[tel][value]` -> tel with its title and type; `meta[page_url]` -> meta.page_url; `color[]` -> color."""
    pairs = [(name[:LONGEST_NAME], value) for name, value in pairs]
    about: dict[tuple[str, str], str] = {}
    for name, value in pairs:
        found = _ELEMENTOR.fullmatch(name)
        if found is not None and found[2]:
            about[found[1], found[2]] = value
    for name, value in pairs:
        found = _ELEMENTOR.fullmatch(name)
        if found is None:
            yield Field(_BRACKETS.sub(lambda part: f".{part[1]}" if part[1] else "", name), value)
        elif (found[2] or "value") not in _OF_ELEMENTOR:
            yield Field(f"{found[1]}.{found[2]}", value)
        elif found[2] in {None, "value"}:
            key = found[1]
            yield Field(key, value, about.get((key, "type"), ""), about.get((key, "title"), ""))


# ---------------------------------------------------------------- JSON

# Envelopes: what is in them stands for itself.
_TRANSPARENT = frozenset(
    {"fields", "contacts", "contact", "data", "answers", "form_data", "formdata", "values", "payload", "params"}
    | {"user", "client", "person", "lead", "extra", "hidden", "utm"}
)
_LABELS = ("q", "question", "label", "title", "name", "field", "id")
_VALUES = ("a", "answer", "value")


def json_fields(found: Mapping[str, Any]) -> Iterator[Field]:
    """Any object as fields: nested names joined by dots, lists of plain values by commas, question and answer paired."""
    response = found.get("form_response")
    if isinstance(response, dict):
        return _typeform(found, response)
    params = found.get("params")
    if "jsonrpc" in found and isinstance(params, dict):
        return _walk("", params, 0)
    return _walk("", found, 0)


def _walk(name: str, value: Any, depth: int) -> Iterator[Field]:
    if depth > MAX_DEPTH:
        raise BadPayload(name[:MAX_NAME], "nested too deep")
    if isinstance(value, dict):
        pair = _answered(value)
        if pair is not None:
            yield pair
            return
        for key, inner in value.items():
            is_envelope = key.casefold() in _TRANSPARENT and isinstance(inner, dict | list)
            yield from _walk(name if is_envelope else f"{name}.{key}" if name else key, inner, depth + 1)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for inner in value:
            yield from _walk(name, inner, depth + 1)
    else:
        yield Field(name, _plain(value))


def _answered(value: dict[str, Any]) -> Field | None:
    """`{q: "Цвет?", a: "синий"}`, `{name: "tel", type: "phone", value: "+7…"}`."""
    label = next((value[key] for key in _LABELS if isinstance(value.get(key), str) and value[key]), None)
    answer = next((key for key in _VALUES if key in value), None)
    if label is None or answer is None or isinstance(value[answer], dict):
        return None
    hint = value.get("type")
    return Field(label, _plain(value[answer]), hint if isinstance(hint, str) else "")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "да" if value else "нет"
    if isinstance(value, list):
        return ", ".join(filter(None, map(_plain, value)))
    return "" if value is None or isinstance(value, dict) else str(value)


def _typeform(event: Mapping[str, Any], response: Mapping[str, Any]) -> Iterator[Field]:
    """Answers name their question by id; what was asked stands in `definition`. Source: Typeform's webhooks, form_response."""
    yield Field("event_id", _plain(event.get("event_id")) or _plain(response.get("token")))
    yield Field("formid", _plain(response.get("form_id")))
    yield Field("submitted_at", _plain(response.get("submitted_at")))
    definition = _object(response.get("definition"))
    yield Field("formname", _plain(definition.get("title")))
    asked = {field.get("id"): field for field in _objects(definition.get("fields")) if _is_plain(field.get("id"))}
    for answer in _objects(response.get("answers")):
        field = _object(answer.get("field"))
        question = _object(asked.get(field["id"]) if _is_plain(field.get("id")) else None)
        kind = _plain(answer.get("type"))
        name = _plain(field.get("ref")) or _plain(field.get("id")) or kind
        yield Field(name, _typed(answer.get(kind)), kind, _plain(question.get("title")))
    yield from _walk("", _object(response.get("hidden")), 1)


def _typed(value: Any) -> str:
    if isinstance(value, dict):
        return _plain(value.get("label") or value.get("labels") or value.get("amount") or value.get("other"))
    return _plain(value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [inner for inner in value if isinstance(inner, dict)] if isinstance(value, list) else []
