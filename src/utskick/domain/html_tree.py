"""HTML as a tree: by the standard's algorithm, and faster where a document is large or hostile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any, Final, Protocol

from lxml import html as libxml2
from tinyhtml5.parser import HTMLParser

#: Characters of markup, without inline pictures, up to which the standard's parser is used. It is
#: written in Python: a second or two for the worst of this length.
LIMIT: Final = 128 * 1024
#: Open elements, which the parser looks through for each tag. Browsers nest no deeper either.
_DEEPEST: Final = 512
#: A tag of this length; attributes are compared in quadratic time.
_LONG_TAG: Final = re.compile(r"<[A-Za-z][^<>]{8192}")
_DATA: Final = r"data:[^,\"'()<>\s]{0,120};base64,"
#: The data of an inline file, in a quoted attribute or a style, or in an unquoted attribute.
_INLINE: Final = re.compile(
    rf"""((?:=\s*+["']|url\(\s*+(?:["']|&quot;|&\#39;)?)\s*+{_DATA})[A-Za-z0-9+/=%_\s-]++"""
    rf"""|(=\s*+{_DATA})[A-Za-z0-9+/=%_-]++""",
    re.IGNORECASE,
)


class Node(Protocol):
    """What the elements of both parsers have in common."""

    tag: Any
    text: str | None
    tail: str | None

    @property
    def attrib(self) -> Mapping[str, str]: ...

    def get(self, key: str, default: str = "") -> str: ...
    def iter(self, tag: str) -> Iterator[Node]: ...
    def __iter__(self) -> Iterator[Node]: ...


class _TooComplex(Exception):
    """More elements created than a document of this length can mean."""


class _OpenElements(list[Any]):
    """The parser's stack of open elements. At the greatest depth, the innermost is replaced."""

    created = 0

    def append(self, element: Any) -> None:
        self.created += 1
        if self.created > LIMIT:
            raise _TooComplex
        if len(self) < _DEEPEST:
            super().append(element)
        else:
            self[-1] = element


class _BoundedParser(HTMLParser):  # type: ignore[misc]
    def reset(self) -> None:
        super().reset()
        self.tree.open_elements = _OpenElements()


def parse_html(markup: str) -> Node | None:
    """Return the root element; None if there is none. Names of HTML elements have no namespace.

    Data of inline files are left out. A document above ``LIMIT``, with a tag of thousands of
    attributes or one that the parser fails at is parsed by libxml2 (2.14 and later: the standard's
    tokenizer, but not its rules for misplaced tags).
    """
    bare = _INLINE.sub(r"\1\2", markup.replace("\x00", ""))
    if len(bare) <= LIMIT and not _LONG_TAG.search(bare):
        try:
            root: Node | None = _BoundedParser(False).parse(StringIO(bare))
        except (_TooComplex, AssertionError, LookupError, RecursionError, TypeError, ValueError):
            pass
        else:
            return root
    return _by_libxml2(bare)


def _by_libxml2(markup: str) -> Node | None:
    parser = libxml2.HTMLParser(
        huge_tree=True, remove_comments=True, remove_pis=True, encoding="utf-8"
    )
    encoded = markup.encode("utf-8", "replace")
    root: Node | None = libxml2.document_fromstring(encoded, parser) if markup.strip() else None
    return root
