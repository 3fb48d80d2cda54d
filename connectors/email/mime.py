"""A mail's tree of parts -> what a person reads of it, its files, and what a program says in it. Total.

Own walk, as parts must not be taken for what they are not: an enclosed mail is a file, a report's fields are no text.
Of alternatives the plain text and the richest HTML count; texts side by side make one text (Apple Mail puts files in
between); a signed mail is its first part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from connectors.email import headers as h
from connectors.email.charsets import decode
from connectors.email.html import sanitize, to_text
from connectors.email.parts import Budget, Part, parse
from connectors.email.tables import MAX_HTML
from connectors.items import Attachment

_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w:.-]{2,40})""", re.IGNORECASE)
_METHOD = re.compile(r"^METHOD:\s*(\w{1,20})", re.MULTILINE | re.IGNORECASE)
_CID = re.compile(r"""cid:([^"'\s>)]{1,200})""")
_SPACE_STUFFED = re.compile(r"^(>*) ")

READABLE = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext", "text/x-amp-html"})
ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "text/calendar": "ics",
    "text/csv": "csv",
    "text/vcard": "vcf",
    "text/x-vcard": "vcf",
    "application/zip": "zip",
    "application/pgp-signature": "asc",
    "application/pkcs7-signature": "p7s",
    "application/x-pkcs7-signature": "p7s",
    "application/pkcs7-mime": "p7m",
    "application/x-pkcs7-mime": "p7m",
    "application/ms-tnef": "dat",
}


@dataclass(slots=True)
class Text:
    """One readable part, or alternatives of one."""

    plain: str | None = None
    html: str | None = None


@dataclass(slots=True)
class Content:
    """`cids`: Content-ID -> place among the attachments. `report`: parts of a multipart/report, of `report_type`.
    `enclosed`: headers of enclosed mails.
    """

    texts: list[Text] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    cids: dict[str, int] = field(default_factory=dict)
    report: list[Part] = field(default_factory=list)
    report_type: str = ""
    enclosed: list[h.Headers] = field(default_factory=list)
    calendar: str = ""
    protection: str = ""
    is_cut: bool = False

    def plain(self) -> str:
        """The text a person reads."""
        pieces = [text.plain if text.plain and text.plain.strip() else to_text(text.html or "") for text in self.texts]
        return "\n".join(piece.strip("\n") for piece in pieces if piece.strip())

    def html(self) -> str:
        """Harmless HTML of the whole; empty if the mail has none."""
        if not any(text.html for text in self.texts):
            return ""
        pieces = [sanitize(text.html) if text.html else _escaped(text.plain or "") for text in self.texts]
        return "\n".join(piece for piece in pieces if piece)

    def inline(self) -> dict[str, int]:
        """Those of `cids` that the HTML shows."""
        used = {unquote(cid) for text in self.texts for cid in _CID.findall(text.html or "")}
        return {cid: n for cid, n in self.cids.items() if cid in used or unquote(cid) in used}


def read(raw: bytes) -> tuple[Part, Content]:
    """The tree, and what is in it."""
    budget = Budget()
    root = parse(raw, budget)
    content = Content(is_cut=budget.spent)
    _walk(root, content)
    return root, content


def _walk(part: Part, content: Content) -> None:
    if part.main == "multipart":
        _MULTIPARTS.get(part.type, _mixed)(part, content)
    elif part.type in READABLE and not _is_file(part):
        content.texts.append(_text(part))
    else:
        _attach(part, content)


def _is_file(part: Part) -> bool:
    return part.disposition == "attachment" or bool(part.name)


def _mixed(part: Part, content: Content) -> None:
    for child in part.children:
        _walk(child, content)


def _alternative(part: Part, content: Content) -> None:
    """Each way of saying it apart; then the plain one with the richest HTML."""
    found = Text()
    for child in part.children:
        alone = Content(attachments=content.attachments, cids=content.cids, enclosed=content.enclosed)
        _walk(child, alone)
        content.calendar = content.calendar or alone.calendar
        plain = [text.plain for text in alone.texts if text.plain is not None]
        html = [text.html if text.html is not None else _escaped(text.plain or "") for text in alone.texts]
        if any(text.html for text in alone.texts):
            found.html = "\n".join(html)
        elif found.plain is None and plain:
            found.plain = "\n".join(plain)
    if found.plain is not None or found.html is not None:
        content.texts.append(found)


def _related(part: Part, content: Content) -> None:
    """The root is what is read, whatever the rest says of itself."""
    wanted = part.params.get("start", "").strip("<> ")
    root = next((child for child in part.children if wanted and child.content_id == wanted), None)
    root = root or next((child for child in part.children if child.main in {"text", "multipart"}), None)
    if root is not None:
        _walk(root, content)
    for child in part.children:
        if child is not root:
            _attach(child, content) if child.main != "multipart" else _walk(child, content)


def _signed(part: Part, content: Content) -> None:
    content.protection = content.protection or "signed"
    _mixed(part, content)


def _encrypted(part: Part, content: Content) -> None:
    content.protection = "encrypted"
    for child in part.children:
        _attach(child, content)


def _report(part: Part, content: Content) -> None:
    if content.report:
        _mixed(part, content)
        return
    content.report = part.children
    content.report_type = part.params.get("report-type", "").lower()
    for child in part.children:
        if child.main == "multipart" or child.type in READABLE:
            _walk(child, content)
        elif child.type not in _MACHINE:
            _attach(child, content)


_MULTIPARTS = {
    "multipart/alternative": _alternative,
    "multipart/related": _related,
    "multipart/signed": _signed,
    "multipart/encrypted": _encrypted,
    "multipart/report": _report,
}
_MACHINE = frozenset(
    {
        "message/delivery-status",
        "message/global-delivery-status",
        "message/disposition-notification",
        "message/global-disposition-notification",
        "message/feedback-report",
        "text/rfc822-headers",
        "message/global-headers",
    }
)

# ---------------------------------------------------------------- texts


def _text(part: Part) -> Text:
    data = part.data()
    if part.type in {"text/html", "text/x-amp-html"}:
        return Text(html=_decoded_html(data, part.charset)) if part.type == "text/html" else Text()
    text = decode(data, part.charset).replace("\r\n", "\n").replace("\r", "\n")
    if part.type != "text/plain":
        text = re.sub(r"</?[A-Za-z][\w-]{0,40}>", "", text.replace("<<", "<"))
    elif part.params.get("format", "").lower() == "flowed":
        text = unflow(text, delsp=part.params.get("delsp", "").lower() == "yes")
    return Text(plain=text)


def _decoded_html(data: bytes, charset: str) -> str:
    """The header's charset, else the one the page names itself."""
    if not charset:
        found = _META_CHARSET.search(data[:4096])
        charset = found[1].decode("ascii") if found else ""
    return decode(data[: MAX_HTML * 4], charset)


def unflow(text: str, *, delsp: bool) -> str:
    """RFC 3676: lines that end in a space go on in the next one, within one depth of quoting."""
    lines: list[tuple[int, str]] = []
    is_open = False
    for raw in text.split("\n"):
        depth = len(raw) - len(raw.lstrip(">"))
        line = raw[depth:].removeprefix(" ")
        joins = is_open and bool(lines) and lines[-1][0] == depth and line != "-- "
        if joins:
            before = lines[-1][1]
            lines[-1] = (depth, (before.removesuffix(" ") if delsp else before) + line)
        else:
            lines.append((depth, line))
        is_open = line.endswith(" ") and line != "-- "
    return "\n".join((">" * depth + " " + line if depth else line) for depth, line in lines)


def _escaped(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<p>{escaped.strip()}</p>".replace("\n", "<br>\n") if text.strip() else ""


# ---------------------------------------------------------------- files


def _attach(part: Part, content: Content) -> None:
    data = part.data()
    if part.type in READABLE and not data.strip() and not part.name:
        return
    if part.type in {"message/rfc822", "message/global"}:
        enclosed, _ = h.split(data)
        content.enclosed.append(enclosed)
        name = part.name or h.file_name((enclosed.text("subject") or "message")[:100].replace("/", "-") + ".eml")
    else:
        name = part.name or _named(part, len(content.attachments) + 1)
    if part.type == "text/calendar":
        found = _METHOD.search(decode(data[:20_000], part.charset))
        content.calendar = content.calendar or (found[1] if found else part.params.get("method", "publish")).upper()
    if "pkcs7-mime" in part.type:
        is_opaque_signature = part.params.get("smime-type", "").lower() == "signed-data"
        content.protection = content.protection or ("signed" if is_opaque_signature else "encrypted")
    if cid := part.content_id:
        content.cids.setdefault(cid, len(content.attachments))
    content.attachments.append(Attachment(name=name, type=part.type, size=len(data), data=data))


def _named(part: Part, number: int) -> str:
    """A location may tell; else the kind of file does."""
    location = h.file_name(part.headers.text("content-location").partition("?")[0])
    if location and "." in location:
        return location
    return f"{'image' if part.main == 'image' else 'file'}-{number}.{ENDINGS.get(part.type, 'txt' if part.main == 'text' else 'bin')}"
