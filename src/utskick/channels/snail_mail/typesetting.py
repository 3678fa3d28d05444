"""Letters from text and address pages, set with typst as PDF/A-2b, the address where the envelope's window shows it.

The font is one that typst carries (Libertinus Serif), because a server's own fonts are nobody's to rely on. The same input always gives the
same bytes: the date in them is that of the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import typst

from utskick.channels.snail_mail.settings import Window

_TEMPLATE: Final = Path(__file__).with_name("letter.typ").read_bytes()


@dataclass(frozen=True, slots=True)
class Page:
    """``lines`` of the address; ``sender``: who writes, at the top; a cover page is a letter without ``text``; ``made``: its date."""

    window: Window
    lines: Sequence[str]
    sender: str = ""
    subject: str = ""
    text: str = ""
    made: datetime = datetime(1970, 1, 1, tzinfo=UTC)


class Press:
    """Not for two threads at once."""

    def __init__(self) -> None:
        self._compiler: typst.Compiler | None = None

    def set(self, page: Page) -> bytes:
        """The PDF."""
        if self._compiler is None:
            self._compiler = typst.Compiler(ignore_system_fonts=True)
        text = page.text.replace("\r\n", "\n").replace("\r", "\n")
        said = {
            "title": page.subject or "Brev",
            "window": page.window.model_dump(),
            "lines": list(page.lines),
            "sender": page.sender,
            "subject": page.subject,
            "text": text,
        }
        made = self._compiler.compile(
            _TEMPLATE, format="pdf", sys_inputs={"said": orjson.dumps(said).decode()}, pdf_standards=["a-2b"], timestamp=page.made
        )
        if not isinstance(made, bytes):
            raise TypeError("typst gave no PDF")
        return made
