"""HTML from outside: made harmless to show, and read as text with its quotes marked.

`clean` keeps what a mail looks like, drops what acts. Pictures of other servers stay as `data-src`: they would tell the
sender who reads his mail, and when. Pictures inside the mail keep their `cid:`.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

import nh3

from connectors.email.tables import MAX_HTML

CUT = "\ue000"
"""Stands on a line of its own where a mail program says that the quoted mail begins."""

MAX_NESTING = 1500
MAX_WORK = 200_000
MAX_EMBEDDED = 200_000

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})")
_ANY_TAG = re.compile(r"<[^<>]{0,2000}>")
_REMOTE = re.compile(r'(<img(?:\s[\w-]+="[^"]*")*?\s)src="(?!cid:|data:)')
_BLANKS = re.compile(r"[ \t\r\n\f]+")


def _words(text: str) -> set[str]:
    return set(text.split())


_FORMATTING = _words("a b big code em font i nobr s small strike strong tt u")
_FLAT = _words(
    "area base br col embed hr img input link meta param source track wbr colgroup dd dt li option p tbody td "
    "tfoot th thead tr"
)
"""Never hold anything, or end where the next of their kind begins: left open they nest nothing."""

TAGS = _words(
    "a abbr address b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn div "
    "dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark ol p pre q "
    "s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var "
    "wbr"
)
_CELL = {"colspan", "rowspan", "align", "valign", "width", "height", "bgcolor"}
ATTRIBUTES: dict[str, set[str]] = {
    "*": {"style", "dir", "lang", "title"},
    "a": {"href", "name"},
    "img": {"src", "alt", "width", "height", "align", "border"},
    "td": _CELL,
    "th": _CELL,
    "tr": {"align", "valign", "bgcolor"},
    "table": {"align", "border", "cellpadding", "cellspacing", "width", "bgcolor"},
    "font": {"color", "size", "face"},
    "ol": {"start", "type"},
    "blockquote": {"type", "cite"},
    **{name: {"align"} for name in ("p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr")},
}
STYLES = _words(
    "color background-color font font-family font-size font-style font-weight text-align text-decoration text- "
    "indent line-height letter-spacing white-space vertical-align direction margin margin-top margin-right "
    "margin-bottom margin-left padding padding-top padding-right padding-bottom padding-left border border-top "
    "border-right border-bottom border-left border-color border-style border-width border-collapse border- "
    "spacing border-radius width height max-width max-height min-width min-height list-style-type table-layout"
)
SCHEMES = {"http", "https", "mailto", "tel", "cid"}
_DROPPED = {"script", "style", "title", "noscript", "template", "iframe", "object", "svg", "math"}
# The second pass, which only we read, keeps what tells a quote.
_MARKS = {"*": {"class", "id", "name", "type", "style"}, "img": {"alt"}, "a": {"href"}}

_QUOTE_CLASS = re.compile(r"gmail_quote|protonmail_quote|yahoo_quoted|moz-cite-prefix|mail-quote|tutanota_quote")
_QUOTE_ID = re.compile(
    r"appendonsend|divRplyFwdMsg|mail-app-auto-quote|mail-editor-reference-message-container|OLK_SRC_BODY_SECTION"
    r"|replySplit|reply-intro|yahoo_quoted"
)
_OUTLOOK_RULE = re.compile(
    r"border-top:\s*solid\s+#\w{6}\s+1\.0pt|border:\s*none;\s*border-top:\s*solid", re.IGNORECASE
)
_BLOCKS = _words(
    "address blockquote center dd div dl dt figure footer h1 h2 h3 h4 h5 h6 header hr li main ol p pre section "
    "table tr ul"
)
_SPACED = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6"})


def is_bearable(html: str) -> bool:
    """False for nesting whose repair takes a parser minutes. Plain mails, unclosed tags and all, are far below."""
    depth = formatting = work = 0
    for closing, name in _TAG.findall(html):
        tag = name.lower()
        step = -1 if closing else 1
        if tag in _FORMATTING:
            formatting = max(0, formatting + step)
        if tag not in _FLAT:
            depth = max(0, depth + step)
        work += 0 if closing else formatting
        if depth > MAX_NESTING or work > MAX_WORK:
            return False
    return True


def sanitize(html: str) -> str:
    """Fit to be shown inside a page of ours; empty for what is too big or too deep to be read safely."""
    if len(html) > MAX_HTML or not is_bearable(html):
        return ""
    has_embedded = "data:image" in html.lower()
    shown = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_only_pictures if has_embedded else None,
        url_schemes=SCHEMES | ({"data"} if has_embedded else set()),
        url_relative="deny",
        filter_style_properties=STYLES,
        clean_content_tags=_DROPPED,
        link_rel="noopener noreferrer nofollow",
    )
    return _REMOTE.sub(r'\1data-src="', shown).strip()


def _only_pictures(tag: str, attribute: str, value: str) -> str | None:
    """A small picture may be inside the HTML itself; nothing else of `data:`."""
    if not value[:20].strip().lower().startswith("data:"):
        return value
    fine = tag == "img" and attribute == "src" and re.match(r"data:image/(?:png|jpe?g|gif|webp);base64,", value)
    return value if fine and len(value) <= MAX_EMBEDDED else None


def to_text(html: str) -> str:
    """What a person reads, line by line: blockquotes as `> `, links whose address is not their text, CUT at a quote."""
    if len(html) > MAX_HTML or not is_bearable(html[: MAX_HTML * 2]):
        return _ANY_TAG.sub(" ", html[:MAX_HTML])
    plain = nh3.clean(
        html,
        tags=TAGS,
        attributes=_MARKS,
        url_schemes={"http", "https", "mailto", "tel"},
        clean_content_tags=_DROPPED,
        link_rel=None,
    )
    reader = _Reader()
    reader.feed(plain)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    """Reads what nh3 wrote, so it is well formed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quotes = 0
        self._pre = 0
        self._links: list[tuple[str, int]] = []

    def text(self) -> str:
        self._break()
        found = "\n".join(line.rstrip() for line in self._lines)
        return re.sub(r"\n{3,}", "\n\n", found).strip("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "br":
            self._break(always=True)
        elif tag in _BLOCKS:
            self._break(spaced=tag in _SPACED)
        if _is_quote(tag, given):
            self._break()
            self._lines.append(CUT)
        if tag == "blockquote":
            self._quotes += 1
        elif tag == "pre":
            self._pre += 1
        elif tag == "li":
            self._line.append("• ")
        elif tag in {"td", "th"} and self._line:
            self._line.append(" ")
        elif tag == "a":
            self._links.append((given.get("href", ""), len(self._line)))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._links:
            self._close_link()
        if tag in _BLOCKS:
            self._break(spaced=tag in _SPACED)
        if tag == "blockquote":
            self._quotes = max(0, self._quotes - 1)
        elif tag == "pre":
            self._pre = max(0, self._pre - 1)

    def handle_data(self, data: str) -> None:
        if not self._pre:
            self._line.append(_BLANKS.sub(" ", data))
            return
        first, *others = data.split("\n")
        self._line.append(first)
        for line in others:
            self._break(always=True)
            self._line.append(line)

    def _close_link(self) -> None:
        href, start = self._links.pop()
        shown = "".join(self._line[start:]).strip()
        bare = re.sub(r"^(?:https?://|mailto:|tel:)", "", href).rstrip("/")
        if href.startswith("http") and shown and bare not in shown.replace("&amp;", "&") and len(href) < 300:
            self._line.append(f" <{href}>")

    def _break(self, *, always: bool = False, spaced: bool = False) -> None:
        """Ends the line; an empty one counts only where it was asked for."""
        line = "".join(self._line).replace("\u00a0", " ")
        line = line if self._pre else line.strip()
        self._line = []
        self._links = [(href, 0) for href, _ in self._links]
        prefix = "> " * min(self._quotes, 10)
        if line or always:
            self._lines.append((prefix + line) if line else prefix.rstrip())
        if spaced and self._lines and self._lines[-1] not in {"", CUT} and not self._quotes:
            self._lines.append("")


def _is_quote(tag: str, given: dict[str, str]) -> bool:
    if tag not in {"div", "blockquote", "table", "span", "section", "p", "hr"}:
        return False
    if _QUOTE_CLASS.search(given.get("class", "")) or _QUOTE_ID.search(given.get("id", "")):
        return True
    if tag == "div" and given.get("name", "").lower() == "quote":
        return True
    return tag == "div" and bool(_OUTLOOK_RULE.search(given.get("style", "")))
