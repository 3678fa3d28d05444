"""Check of HTML for mailboxes: well-formed, without scripts, and without external resources.

Every fault has its line and column. The syntax is the HTML standard's (section 13.1), but stricter
than a browser's: no tag may be omitted (section 13.1.2.4), and nothing malformed is repaired. The
markup is read by a tokenizer (``html_tokens``); patterns are applied to references, addresses and
styles, and are possessive. The time is linear in the length of hostile input.
"""

from __future__ import annotations

import html
import html.entities
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from utskick.channels.digital_mail.html_tokens import Kind, Markup, Tokens

#: Maximum number of reported faults.
MOST: Final = 20
#: Number of faults after which the check stops.
_ENOUGH: Final = 5 * MOST
#: Maximum nesting depth, about that of browsers.
_DEEPEST: Final = 500

_REFERENCE: Final = re.compile(r"&(#[0-9]{1,7};|#[xX][0-9A-Fa-f]{1,6};|[A-Za-z][A-Za-z0-9]*+;|)")
_INLINE: Final = re.compile(
    r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]++\Z", re.IGNORECASE
)
_CSS_LINK: Final = re.compile(
    r"url\s*+\(\s*+['\"]?+(?!data:image/)|@import|expression\s*+\(|-moz-binding", re.IGNORECASE
)
_MARKUP: Final = re.compile("[<&]")
_BLANKS: Final = re.compile(r"[\x00-\x20]+")

_VOID: Final = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
#: Elements whose content browsers read as text up to the end tag.
_TEXT: Final = frozenset({"title", "textarea", "xmp", "noembed", "noframes", "plaintext"})
_FOREIGN: Final = frozenset({"svg", "math"})
_SCRIPTING: Final = frozenset(
    {"script", "noscript", "iframe", "frame", "frameset", "object", "embed", "applet"}
)
_LOADING: Final = frozenset({"link", "base", "audio", "video", "source", "track"})
#: Attributes whose address is fetched immediately.
_SOURCES: Final = frozenset({"src", "background", "poster", "data", "lowsrc", "xlink:href"})
#: Attributes that hold an address.
_TARGETS: Final = frozenset({"href", "action", "formaction", "cite", *_SOURCES})
_STYLE: Final = "a style must not load anything: inline images as data:image/…;base64"
_SCRIPT_SCHEMES: Final = ("javascript:", "vbscript:", "data:text/html", "data:application")


@dataclass(frozen=True, slots=True)
class HtmlFault:
    """One fault. ``line``, ``column``: counted from 1."""

    line: int
    column: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.what}"


def faults(text: str) -> list[HtmlFault]:
    """Return at most ``MOST`` faults in the order of the text; none if it can be sent."""
    lines = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]

    def located(at: int, what: str) -> HtmlFault:
        line = bisect_right(lines, at)
        return HtmlFault(line, at - lines[line - 1] + 1, what)

    return [located(at, what) for at, what in sorted(_Document(text).faults())[:MOST]]


class _Document:
    """One pass over a document, with its open tags."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = Tokens(text)
        self._at = 0
        self._open: list[tuple[str, int]] = []
        self._depth: Counter[str] = Counter()

    def faults(self) -> Iterator[tuple[int, str]]:
        """Iterate over faults as (offset, sentence). Stops early after too many."""
        count = 0
        while self._at < len(self._text) and count < _ENOUGH:
            for fault in islice(self._next(), _ENOUGH):
                count += 1
                yield fault
        if self._at >= len(self._text):
            yield from ((at, f"<{name}> is not closed") for name, at in self._open[:MOST])

    def _next(self) -> Iterator[tuple[int, str]]:
        start = self._at
        mark = self._text.find("<", start)
        self._at = len(self._text) if mark < 0 else mark
        yield from _references(self._text, start, self._at)
        if mark < 0:
            return
        markup = self._tokens.read(mark)
        outer = self._open[-1][0] if self._open else ""
        if outer in _TEXT and (markup.kind, markup.name) != (Kind.END, outer):
            markup = Markup(Kind.MALFORMED, mark, mark + 1)
        self._at = markup.end
        if markup.kind is Kind.START:
            yield from self._begin(markup)
        elif markup.kind is Kind.END:
            yield from self._close(markup.name, mark)
        elif markup.kind is Kind.UNCLOSED_COMMENT:
            yield mark, "the comment is not closed"
        elif markup.kind is Kind.COMMENT and self._text.startswith("<!--[if", mark):
            yield mark, "a conditional comment is not allowed"
        elif markup.kind is Kind.MALFORMED:
            yield mark, "'<' does not begin a valid tag; as text it must be written &lt;"

    def _close(self, name: str, mark: int) -> Iterator[tuple[int, str]]:
        if name in _VOID:
            yield mark, f"</{name}> is not allowed: <{name}> has no end tag"
        elif not self._depth[name]:
            yield mark, f"</{name}> closes a tag that is not open"
        else:
            unclosed = []
            while (last := self._open.pop())[0] != name:
                self._depth[last[0]] -= 1
                unclosed.append((last[1], f"<{last[0]}> is not closed before </{name}>"))
            self._depth[name] -= 1
            yield from unclosed

    def _begin(self, tag: Markup) -> Iterator[tuple[int, str]]:
        name, mark = tag.name, tag.start
        yield from _tag_faults(name, mark)
        yield from _attribute_faults(tag)
        foreign = name in _FOREIGN or any(self._depth[outer] for outer in _FOREIGN)
        if name in ("script", "style"):
            yield from self._skip_raw(name, mark, foreign)
        elif name not in _VOID and not (foreign and tag.closed):
            self._open.append((name, mark))
            self._depth[name] += 1
            if len(self._open) > _DEEPEST:
                yield mark, f"more than {_DEEPEST} tags are open at once"
                self._open.clear()
                self._at = len(self._text)

    def _skip_raw(self, name: str, mark: int, foreign: bool) -> Iterator[tuple[int, str]]:
        """Skip the text of a raw text element (HTML standard section 13.1.2.1).

        Within SVG and MathML it is not raw: browsers read tags and references in it.
        """
        start = self._at
        end = self._tokens.raw_text_end(name, start)
        self._at = end[1] if end else len(self._text)
        if end is None:
            yield mark, f"<{name}> is not closed"
        elif foreign and (match := _MARKUP.search(self._text, start, end[0])):
            yield match.start(), f"<{name}> within <svg> or <math> must not contain {match[0]}"
        elif name == "style" and (match := _CSS_LINK.search(self._text, start, end[0])):
            yield match.start(), _STYLE


def _references(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    for match in _REFERENCE.finditer(text, start, end):
        name = match[1]
        if not name:
            yield (
                match.start(),
                "'&' does not begin a character reference; as text it must be written &amp;",
            )
        elif not name.startswith("#") and name not in html.entities.html5:
            yield match.start(), f"&{name[:40]} is not a character reference of HTML"


def _tag_faults(name: str, mark: int) -> Iterator[tuple[int, str]]:
    if name in _SCRIPTING:
        yield mark, f"<{name}> is not allowed: a message must not contain scripts"
    elif name in _LOADING:
        yield mark, f"<{name}> is not allowed: a message must not load external resources"


def _attribute_faults(tag: Markup) -> Iterator[tuple[int, str]]:
    seen = set()
    for attribute in tag.attributes:
        if attribute.name in seen:
            yield attribute.at, f"the attribute {attribute.name} of <{tag.name}> is repeated"
        seen.add(attribute.name)
        what = _attribute_fault(tag.name, attribute.name, html.unescape(attribute.value))
        if what is not None:
            yield attribute.at, what
    if tag.name == "img" and "src" not in seen:
        yield tag.start, "<img> has no src"


def _attribute_fault(name: str, attribute: str, value: str) -> str | None:
    bare = _BLANKS.sub("", value).lower()
    if attribute.startswith("on"):
        return f"the attribute {attribute} is not allowed: a message must not contain scripts"
    if attribute in _TARGETS and bare.startswith(_SCRIPT_SCHEMES):
        return f"the attribute {attribute} must not contain a script"
    if attribute in ("srcset", "ping", "srcdoc"):
        return f"the attribute {attribute} is not allowed"
    if (
        attribute in _SOURCES or (attribute == "href" and name in ("image", "use", "feimage"))
    ) and not _INLINE.match(value.strip()):
        return (
            f"the attribute {attribute} of <{name}> must be an inline image"
            " (data:image/png;base64,…), not an address"
        )
    if attribute == "style" and _CSS_LINK.search(value):
        return _STYLE
    if name == "meta" and attribute == "http-equiv" and bare == "refresh":
        return "a message must not redirect (refresh)"
    return None
