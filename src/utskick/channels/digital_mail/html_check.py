"""HTML as a mailbox takes it: every tag closed, nothing that runs, nothing that is fetched. Every
fault with its line and column.

Read by patterns that never look back (possessive, so that hostile text costs no more than its
length), not by a browser's lenient rules: what must be guessed at is a fault. HTML standard
sections 13.1 (writing) and 13.1.2.4 (which tags may be left out: none here).
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

#: Faults told of one document.
MOST: Final = 20
#: After so many, reading on teaches nobody anything.
_ENOUGH: Final = 5 * MOST
#: Tags within tags: browsers give up at about as many.
_DEEPEST: Final = 500

_TAG: Final = re.compile(
    r"<(?P<name>[A-Za-z][A-Za-z0-9:-]*+)"
    r"(?P<attributes>(?:\s++[^\s\"'<>/=\x00]++(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'=<>`]++))?+)*+)\s*+(?P<closed>/?)>"
)
_ATTRIBUTE: Final = re.compile(
    r"\s++([^\s\"'<>/=\x00]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'=<>`]++)))?+"
)
_END: Final = re.compile(r"</([A-Za-z][A-Za-z0-9:-]*+)\s*+>")
_DOCTYPE: Final = re.compile(r"<!doctype html\s*+>", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"&(#[0-9]{1,7};|#[xX][0-9A-Fa-f]{1,6};|[A-Za-z][A-Za-z0-9]*+;|)")
_STYLE_END: Final = re.compile(r"</style\s*+>", re.IGNORECASE)
_SCRIPT_END: Final = re.compile(r"</script\s*+>", re.IGNORECASE)
_INLINE: Final = re.compile(
    r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]++\Z", re.IGNORECASE
)
_CSS_LINK: Final = re.compile(
    r"url\s*+\(\s*+['\"]?+(?!data:image/)|@import|expression\s*+\(|-moz-binding", re.IGNORECASE
)
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
_FOREIGN: Final = frozenset({"svg", "math"})
_RUNS: Final = frozenset(
    {"script", "noscript", "iframe", "frame", "frameset", "object", "embed", "applet"}
)
_FETCHES: Final = frozenset({"link", "base", "audio", "video", "source", "track"})
#: Attributes that name something to fetch at once.
_SOURCES: Final = frozenset({"src", "background", "poster", "data", "lowsrc", "xlink:href"})
#: Attributes that name where to go.
_TARGETS: Final = frozenset({"href", "action", "formaction", "cite", *_SOURCES})
_RUNNING: Final = ("javascript:", "vbscript:", "data:text/html", "data:application")


@dataclass(frozen=True, slots=True)
class HtmlFault:
    """What is wrong, and where: both from 1."""

    line: int
    column: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.what}"


def faults(text: str) -> list[HtmlFault]:
    """Up to ``MOST`` of them, in the order of the text; none: it can be sent."""
    lines = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", text))]

    def place(at: int, what: str) -> HtmlFault:
        line = bisect_right(lines, at)
        return HtmlFault(line, at - lines[line - 1] + 1, what)

    found = []
    for at, what in sorted(_Reading(text).faults()):
        found.append(place(at, what))
        if len(found) == MOST:
            break
    return found


class _Reading:
    """One pass over a document, with the tags that are open."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[tuple[str, int]] = []
        self._depth: Counter[str] = Counter()

    def faults(self) -> Iterator[tuple[int, str]]:
        """(where, what). Ends early where the rest cannot be read."""
        told = 0
        while self._at < len(self._text) and told < _ENOUGH:
            for fault in islice(self._next(), _ENOUGH):
                told += 1
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
        if self._text.startswith("<!--", mark):
            yield from self._comment(mark)
        elif found := _DOCTYPE.match(self._text, mark):
            self._at = found.end()
        elif found := _END.match(self._text, mark):
            self._at = found.end()
            yield from self._close(found[1].lower(), mark)
        elif found := _TAG.match(self._text, mark):
            self._at = found.end()
            yield from self._begin(found)
        else:
            yield mark, "'<' begins no tag that can be read; as text it is written &lt;"
            self._at = mark + 1

    def _comment(self, mark: int) -> Iterator[tuple[int, str]]:
        end = self._text.find("-->", mark + 4)
        if end < 0:
            yield mark, "the comment is not closed"
        elif self._text.startswith("<!--[if", mark):
            yield mark, "a conditional comment is not allowed"
        self._at = len(self._text) if end < 0 else end + 3

    def _close(self, name: str, mark: int) -> Iterator[tuple[int, str]]:
        if name in _VOID:
            yield mark, f"</{name}> closes nothing: <{name}> has no end tag"
        elif not self._depth[name]:
            yield mark, f"</{name}> closes a tag that is not open"
        else:
            unclosed = []
            while (last := self._open.pop())[0] != name:
                self._depth[last[0]] -= 1
                unclosed.append((last[1], f"<{last[0]}> is not closed before </{name}>"))
            self._depth[name] -= 1
            yield from unclosed

    def _begin(self, tag: re.Match[str]) -> Iterator[tuple[int, str]]:
        name, mark = tag["name"].lower(), tag.start()
        yield from _tag_faults(name, mark)
        yield from _attribute_faults(name, tag)
        foreign = name in _FOREIGN or any(self._depth[outer] for outer in _FOREIGN)
        if name in ("script", "style"):
            yield from self._skip_raw(name, mark)
        elif name not in _VOID and not (foreign and tag["closed"]):
            self._open.append((name, mark))
            self._depth[name] += 1
            if len(self._open) > _DEEPEST:
                yield mark, f"more than {_DEEPEST} tags are open at once"
                self._open.clear()
                self._at = len(self._text)

    def _skip_raw(self, name: str, mark: int) -> Iterator[tuple[int, str]]:
        """Their text is no markup (HTML standard section 13.1.2.1, raw text elements)."""
        start = self._at
        end = (_STYLE_END if name == "style" else _SCRIPT_END).search(self._text, start)
        self._at = end.end() if end else len(self._text)
        if end is None:
            yield mark, f"<{name}> is not closed"
        elif name == "style" and (found := _CSS_LINK.search(self._text, start, end.start())):
            yield (
                found.start(),
                "a style must not fetch anything: images are inlined as data:image/…;base64",
            )


def _references(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    for found in _REFERENCE.finditer(text, start, end):
        said = found[1]
        if not said:
            yield found.start(), "'&' begins no character reference; as text it is written &amp;"
        elif not said.startswith("#") and said not in html.entities.html5:
            yield found.start(), f"&{said[:40]} is no character that HTML knows"


def _tag_faults(name: str, mark: int) -> Iterator[tuple[int, str]]:
    if name in _RUNS:
        yield mark, f"<{name}> is not allowed: nothing in a message may run"
    elif name in _FETCHES:
        yield mark, f"<{name}> is not allowed: nothing in a message may be fetched from elsewhere"


def _attribute_faults(name: str, tag: re.Match[str]) -> Iterator[tuple[int, str]]:
    seen = set()
    for found in _ATTRIBUTE.finditer(tag.string, tag.start("attributes"), tag.end("attributes")):
        attribute = found[1].lower()
        written = found[2] or found[3] or found[4] or ""
        if attribute in seen:
            yield found.start(1), f"the attribute {attribute} of <{name}> stands twice"
        seen.add(attribute)
        if (what := _attribute_fault(name, attribute, html.unescape(written))) is not None:
            yield found.start(1), what
    if name == "img" and "src" not in seen:
        yield tag.start(), "<img> has no src"


def _attribute_fault(name: str, attribute: str, value: str) -> str | None:
    bare = _BLANKS.sub("", value).lower()
    if attribute.startswith("on"):
        return f"the attribute {attribute} is not allowed: nothing in a message may run"
    if attribute in _TARGETS and bare.startswith(_RUNNING):
        return f"the attribute {attribute} must not hold a script"
    if attribute in ("srcset", "ping", "srcdoc"):
        return f"the attribute {attribute} is not allowed"
    if (
        attribute in _SOURCES or (attribute == "href" and name in ("image", "use", "feimage"))
    ) and not _INLINE.match(value.strip()):
        return f"the attribute {attribute} of <{name}> must be an inlined image (data:image/png;base64,…), not a link"
    if attribute == "style" and _CSS_LINK.search(value):
        return "a style must not fetch anything: images are inlined as data:image/…;base64"
    if name == "meta" and attribute == "http-equiv" and bare == "refresh":
        return "a message must not lead elsewhere by itself (refresh)"
    return None
