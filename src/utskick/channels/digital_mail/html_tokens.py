"""Tags, comments and DOCTYPEs of HTML with their offsets, read by the tokenizer of tinyhtml5.

The tokenizer follows the HTML standard (section 13.2.5). Its states are called one at a time here,
for three reasons: a parse error ends a tag where it occurs; the offset of each attribute is known
from the change of state; and what the tokenizer accumulates is cleared after each state, because
it concatenates strings and compares attributes in quadratic time. A '<' outside a quoted value ends
a tag, so that no character is read more than three times.
"""

from __future__ import annotations

import re
import string
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from io import StringIO
from typing import Any, Final

from tinyhtml5.constants import Token
from tinyhtml5.inputstream import HTMLUnicodeInputStream
from tinyhtml5.tokenizer import HTMLTokenizer

_NAME: Final = frozenset(string.ascii_letters + string.digits + ":-")
#: White space of Unicode, each character replaced by one space, so that offsets are kept.
_SPACES: Final = dict.fromkeys(
    map(
        ord,
        "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
        "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000",
    ),
    " ",
)
#: Parse errors that do not make a tag malformed.
_HARMLESS: Final = frozenset({"duplicate-attribute", "invalid-codepoint"})


class Kind(Enum):
    """Kinds of markup. ``MALFORMED``: a '<' that begins nothing valid."""

    START = auto()
    END = auto()
    COMMENT = auto()
    UNCLOSED_COMMENT = auto()
    DOCTYPE = auto()
    MALFORMED = auto()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. ``name``: in lower case. ``value``: as written, with its references."""

    at: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Markup:
    """One piece of markup from offset ``start`` to ``end``. ``closed``: it ends with "/>"."""

    kind: Kind
    start: int
    end: int
    name: str = ""
    attributes: tuple[Attribute, ...] = ()
    closed: bool = False


class Tokens:
    """Reader of the markup of one text at given offsets."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._machine = _Machine(text.translate(_SPACES))

    def read(self, start: int) -> Markup:
        """Return the markup that begins with the '<' at ``start``."""
        machine = self._machine
        machine.begin(start, machine.data_state)
        machine.step()
        while machine.step() and not machine.malformed and machine.state != machine.data_state:
            if machine.state == machine.comment_start_state:
                return self._comment(start)
        if machine.malformed:
            return Markup(Kind.MALFORMED, start, start + 1)
        if machine.current_token["type"] is Token.DOCTYPE:
            return self._doctype(start, machine.offset)
        return self._tag(start, machine.offset)

    def raw_text_end(self, name: str, start: int) -> tuple[int, int] | None:
        """Return the start and end of the end tag of a raw text element, or None without one.

        ``start``: the offset of its text. An end tag that is malformed, but ends the element in
        browsers, has no length.
        """
        machine = self._machine
        machine.begin(start, machine.rawtext_state, name)
        mark = start
        while machine.step():
            if machine.malformed:
                return mark, mark
            if machine.state == machine.data_state:
                return mark, machine.offset
            if machine.state == machine.rawtext_less_than_sign_state:
                mark = machine.offset - 1
        return None

    def _comment(self, start: int) -> Markup:
        """Return a comment. Where browsers close it otherwise than at "-->", it is not closed."""
        text, body = self._text, start + len("<!--")
        end = text.find("-->", start + len("<!"))  # "<!-->" and "<!--->" are whole comments
        wrong = text.find("--!>", body, end if end >= 0 else len(text))
        if wrong >= 0:
            return Markup(Kind.UNCLOSED_COMMENT, start, wrong + len("--!>"))
        if end < body:
            return Markup(Kind.UNCLOSED_COMMENT, start, len(text) if end < 0 else end + len("-->"))
        return Markup(Kind.COMMENT, start, end + len("-->"))

    def _doctype(self, start: int, end: int) -> Markup:
        if self._text[start : end - 1].rstrip().lower() == "<!doctype html":
            return Markup(Kind.DOCTYPE, start, end)
        return Markup(Kind.MALFORMED, start, start + 1)

    def _tag(self, start: int, end: int) -> Markup:
        token, starts = self._machine.current_token, self._machine.attribute_starts
        closed = token["selfClosing"]
        bounds = [*starts, end - 2 if closed else end - 1]
        attributes = tuple(map(self._attribute, bounds, bounds[1:]))
        if any("\0" in attribute.name for attribute in attributes):
            return Markup(Kind.MALFORMED, start, start + 1)
        kind = Kind.START if token["type"] is Token.START_TAG else Kind.END
        name = self._text[start + 1 : bounds[0]].lstrip("/").rstrip().lower()
        return Markup(kind, start, end, name, attributes, closed)

    def _attribute(self, start: int, end: int) -> Attribute:
        name, _, value = self._text[start:end].partition("=")
        value = value.strip()
        quoted = value.startswith(("'", '"'))
        return Attribute(start, name.rstrip().lower(), value[1:-1] if quoted else value)


class _Stream(HTMLUnicodeInputStream):  # type: ignore[misc]
    """Stream of one chunk: its offset is the offset in the text."""

    chunk_offset: int

    def __init__(self, text: str) -> None:
        super().__init__(StringIO())
        self.chunk, self.chunk_size = text, len(text)

    def read_chunk(self) -> bool:
        return False

    def chars_until(self, characters: Iterable[str], opposite: bool = False) -> str:
        """Skip characters. Returns nothing: what is skipped is found by its offsets.

        The method of tinyhtml5 2.1.0 compiles a pattern at each call.
        """
        match = _run_of("".join(characters), opposite).match(self.chunk, self.chunk_offset)
        self.chunk_offset = match.end() if match else self.chunk_offset
        return ""


@cache
def _run_of(characters: str, opposite: bool) -> re.Pattern[str]:
    return re.compile(f"[{'' if opposite else '^'}{re.escape(characters)}]++")


class _Machine(HTMLTokenizer):  # type: ignore[misc]
    """State machine of the tokenizer, without its output.

    ``malformed``: a parse error has occurred. ``attribute_starts``: offsets of the attributes.
    """

    current_token: dict[str, Any]

    def __init__(self, text: str) -> None:
        super().__init__(StringIO())
        self.stream = _Stream(text)
        self.begin(0, self.data_state)

    def begin(self, at: int, state: Callable[[], bool], name: str = "") -> None:
        """Set offset and state. ``name``: the raw text element that is open."""
        self.stream.chunk_offset = at
        self.state = state
        self.token_queue: deque[dict[str, Any]] = deque()
        self.current_token = {"name": name}
        self.malformed = False
        self.attribute_starts: list[int] = []

    @property
    def offset(self) -> int:
        return int(self.stream.chunk_offset)

    def step(self) -> bool:
        """Call the current state. Returns False at the end of the text."""
        going = bool(self.state())
        self.token_queue.clear()
        if self.current_token.get("data"):
            self.current_token["data"] = [["", ""]]
        return going

    def parse_error(self, _data: str, **_values: object) -> None:
        self.malformed = self.malformed or _data not in _HARMLESS

    def consume_entity(self, allowed: str | None = None, from_attribute: bool = False) -> None:
        """Leave character references as they are."""

    def tag_name_state(self) -> bool:
        return self._name(super().tag_name_state)

    def doctype_name_state(self) -> bool:
        return self._name(super().doctype_name_state)

    def _name(self, state: Callable[[], bool]) -> bool:
        self.current_token["name"] = ""
        going = state()
        self.malformed = self.malformed or not _NAME.issuperset(self.current_token["name"])
        return going

    def before_attribute_name_state(self) -> bool:
        return self._attribute_start(super().before_attribute_name_state)

    def after_attribute_name_state(self) -> bool:
        return self._attribute_start(super().after_attribute_name_state)

    def _attribute_start(self, state: Callable[[], bool]) -> bool:
        going = state()
        if self.state == self.attribute_name_state:
            self.attribute_starts.append(self.offset - 1)
        return going

    def rawtext_end_tag_name_state(self) -> bool:
        if len(self.temporary_buffer) <= len("script"):
            return bool(super().rawtext_end_tag_name_state())
        self.state = self.rawtext_state
        return True

    def _identifier(self) -> bool:
        """Refuse a DOCTYPE with a public or system identifier."""
        self.malformed = True
        return True

    after_doctype_public_keyword_state = after_doctype_system_keyword_state = _identifier
