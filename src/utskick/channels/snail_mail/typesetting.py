"""Typesetting of letters and address pages with typst, as PDF/A-2b.

The address is placed in the envelope's window. The font is typst's own (Libertinus Serif), as
system fonts differ between machines. The same input always yields the same bytes; the PDF's date is
the message's.
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

from utskick.channels.snail_mail.file_names import substitute, transliterate
from utskick.channels.snail_mail.settings import EnvelopeWindow
from utskick.domain.clock import utc_second

_LACKING: Final = re.compile(r'the text `?"(.*)"`? could not be displayed', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\u\{([0-9a-f]+)\}")
#: Maximum number of compilations that each report one missing glyph.
_TRIES: Final = 20
_LONG_WORD: Final = 24
_TEMPLATE: Final = Path(__file__).with_name("letter.typ").read_bytes()


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Input of one letter.

    ``lines``: of the address. ``sender``: shown at the top. ``text``: empty for a cover page.
    ``made``: the date of the PDF, which shows it in UTC to the second.
    """

    window: EnvelopeWindow
    lines: Sequence[str]
    sender: str = ""
    subject: str = ""
    text: str = ""
    made: datetime = datetime(1970, 1, 1, tzinfo=UTC)


class MissingGlyphs(Exception):
    """No font has glyphs for ``characters``."""

    def __init__(self, characters: str) -> None:
        super().__init__("the letter's fonts lack a character")
        self.characters = characters


class LetterTypesetter:
    """Compiler of the letter template. Not thread-safe."""

    def __init__(self) -> None:
        self._compiler: typst.Compiler | None = None

    def set(self, page: LetterPage) -> bytes:
        """Return the PDF, substituting characters without glyphs (``file_names.substitute``)."""
        for _ in range(_TRIES):
            try:
                return self.set_strictly(page)
            except MissingGlyphs as fault:
                page = _substituted(page, fault.characters)
        return self.set_strictly(_latin(page))

    def set_strictly(self, page: LetterPage) -> bytes:
        """Return the PDF. Raises ``MissingGlyphs``."""
        if self._compiler is None:
            self._compiler = typst.Compiler(ignore_system_fonts=True)
        letter = {
            "title": page.subject or "Brev",
            "window": page.window.model_dump(),
            "lines": [_breakable(line) for line in page.lines],
            "sender": page.sender,
            "subject": page.subject,
            "text": page.text.replace("\r\n", "\n").replace("\r", "\n"),
        }
        inputs = {"letter": orjson.dumps(letter).decode()}
        try:
            pdf = self._compiler.compile(
                _TEMPLATE,
                format="pdf",
                sys_inputs=inputs,
                pdf_standards=["a-2b"],
                timestamp=utc_second(page.made),
            )
        except typst.TypstError as fault:
            match = _LACKING.search(fault.message)
            if match is None:
                raise
            characters = _ESCAPED.sub(lambda code: chr(int(code[1], 16)), match[1])
            raise MissingGlyphs(characters) from None
        if not isinstance(pdf, bytes):
            raise TypeError("typst returned no PDF")
        return pdf


def _substituted(page: LetterPage, characters: str) -> LetterPage:
    """Replace these characters by their substitutes."""
    table = {ord(ch): substitute(ch) for ch in characters}
    return _changed(page, lambda text: text.translate(table))


def _latin(page: LetterPage) -> LetterPage:
    return _changed(page, lambda text: transliterate(text, "iso-8859-1"))


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
    """Allow line breaks within words wider than a window, by zero-width spaces."""
    return " ".join(
        "\u200b".join(word) if len(word) > _LONG_WORD else word for word in line.split(" ")
    )
