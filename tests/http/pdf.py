"""PDFs of the tests: A4, upright, with a line of text in the middle."""

from __future__ import annotations

from base64 import b64encode
from functools import cache

import typst


@cache
def letter(text: str = "Hej") -> bytes:
    made = typst.compile(f'#set page("a4")\n#v(10cm)\n{text}'.encode(), format="pdf")
    assert isinstance(made, bytes)
    return made


def encoded(text: str = "Hej") -> str:
    return b64encode(letter(text)).decode()
