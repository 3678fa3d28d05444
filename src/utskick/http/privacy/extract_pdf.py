"""Typesets an extract with typst as PDF/A-2b, as a process.

JSON on standard input, PDF on standard output, no personal data in arguments. The fonts are those
of typst, since those of a server vary.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import typst

from utskick.domain.clock import utc_second

_TEMPLATE: Final = Path(__file__).with_name("extract.typ")
_PLAIN: Final = re.compile(r"[\n -~\u00a0-\u017f\u200b\u2010-\u2026\u20ac]")
#: Unusual characters that are tested against the fonts one by one; the rest is written as its code.
_TRIES: Final = 200


class ExtractTypesetter:
    """Compiles the document, and knows which characters its fonts have."""

    def __init__(self) -> None:
        self._compiler = typst.Compiler(ignore_system_fonts=True)

    def set(self, said: str, made: datetime) -> bytes:
        """Replace a character that no font has by ``[U+1F600]``."""
        odd = sorted({ch for ch in said if not _PLAIN.match(ch)})
        lacking = [ch for number, ch in enumerate(odd) if number >= _TRIES or not self._has(ch)]
        table = {ord(ch): f"[U+{ord(ch):04X}]" for ch in lacking}
        return self._compiled(
            _TEMPLATE.read_bytes(), said.translate(table) if table else said, made
        )

    def _has(self, character: str) -> bool:
        try:
            self._compiled(b"#text(sys.inputs.said)", character, datetime(2000, 1, 1, tzinfo=UTC))
        except typst.TypstError:
            return False
        return True

    def _compiled(self, template: bytes, said: str, made: datetime) -> bytes:
        found = self._compiler.compile(
            template,
            format="pdf",
            sys_inputs={"said": said},
            pdf_standards=["a-2b"],
            timestamp=utc_second(made),
        )
        if not isinstance(found, bytes):
            raise TypeError("typst gave no PDF")
        return found


def main() -> None:
    order = orjson.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(
        ExtractTypesetter().set(order["said"], datetime.fromisoformat(order["made"]))
    )


if __name__ == "__main__":
    main()
