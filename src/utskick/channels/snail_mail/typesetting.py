"""Letters from text and address pages, set with typst as PDF/A-2b, the address where the envelope's
window shows it.

The font is one that typst carries (Libertinus Serif), because a server's own fonts are nobody's to
rely on. The same input always gives the same bytes: the date in them is that of the message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import typst

from utskick.channels.snail_mail.file_names import spelled, transliterated
from utskick.channels.snail_mail.settings import EnvelopeWindow

_LACKING: Final = re.compile(r'the text `?"(.*)"`? could not be displayed', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\u\{([0-9a-f]+)\}")
#: How many characters that no font has are looked for one by one.
_TRIES: Final = 20
_LONG_WORD: Final = 24
_TEMPLATE: Final = Path(__file__).with_name("letter.typ").read_bytes()


@dataclass(frozen=True, slots=True)
class LetterPage:
    """``lines`` of the address; ``sender``: who writes, at the top; a cover page is a letter
    without ``text``; ``made``: its date."""

    window: EnvelopeWindow
    lines: Sequence[str]
    sender: str = ""
    subject: str = ""
    text: str = ""
    made: datetime = datetime(1970, 1, 1, tzinfo=UTC)


class Undrawable(Exception):
    """No font has ``characters``."""

    def __init__(self, characters: str) -> None:
        super().__init__("the letter's fonts lack a character")
        self.characters = characters


class LetterTypesetter:
    """Not for two threads at once."""

    def __init__(self) -> None:
        self._compiler: typst.Compiler | None = None

    def set(self, page: LetterPage) -> bytes:
        """The PDF. What no font has is spelled as in the address list (``layout.spelled``): a name
        is never a reason not to print."""
        for _ in range(_TRIES):
            try:
                return self.set_strictly(page)
            except Undrawable as fault:
                page = _spelled(page, fault.characters)
        return self.set_strictly(_latin(page))

    def set_strictly(self, page: LetterPage) -> bytes:
        """The PDF. Raises ``Undrawable``."""
        if self._compiler is None:
            self._compiler = typst.Compiler(ignore_system_fonts=True)
        said = {
            "title": page.subject or "Brev",
            "window": page.window.model_dump(),
            "lines": [_breakable(line) for line in page.lines],
            "sender": page.sender,
            "subject": page.subject,
            "text": page.text.replace("\r\n", "\n").replace("\r", "\n"),
        }
        given = {"said": orjson.dumps(said).decode()}
        try:
            made = self._compiler.compile(
                _TEMPLATE,
                format="pdf",
                sys_inputs=given,
                pdf_standards=["a-2b"],
                timestamp=page.made,
            )
        except typst.TypstError as fault:
            found = _LACKING.search(fault.message)
            if found is None:
                raise
            raise Undrawable(_ESCAPED.sub(lambda code: chr(int(code[1], 16)), found[1])) from None
        if not isinstance(made, bytes):
            raise TypeError("typst gave no PDF")
        return made


def _spelled(page: LetterPage, characters: str) -> LetterPage:
    """With these characters in another way."""
    table = {ord(ch): spelled(ch) for ch in characters}
    return _changed(page, lambda text: text.translate(table))


def _latin(page: LetterPage) -> LetterPage:
    return _changed(page, lambda text: transliterated(text, "iso-8859-1"))


def _changed(page: LetterPage, change: Callable[[str], str]) -> LetterPage:
    lines = [change(line) for line in page.lines]
    return replace(
        page,
        lines=lines,
        sender=change(page.sender),
        subject=change(page.subject),
        text=change(page.text),
    )


def _breakable(line: str) -> str:
    """A word that is wider than a window may be broken anywhere (a zero-width space)."""
    return " ".join(
        "\u200b".join(word) if len(word) > _LONG_WORD else word for word in line.split(" ")
    )
