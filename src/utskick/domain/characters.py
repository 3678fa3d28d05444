"""Characters that nobody sees, and the composed form of text.

Unicode Standard, section 23 (format characters) and UAX #15 (normalisation forms).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: No format characters by their category, but as invisible: the combining grapheme joiner and the
#: variation selectors.
_SELECTORS: Final = frozenset("\u034f" + "".join(map(chr, range(0xFE00, 0xFE10))))

_BREAKS: Final = re.compile(r"[ \t]*[\r\n\t\v\f\x85\u2028\u2029]\s*")


def is_invisible(character: str) -> bool:
    """Return whether a character has no shape of its own (category Cf, variation selectors)."""
    return unicodedata.category(character) == "Cf" or character in _SELECTORS


def is_removable(character: str) -> bool:
    """Return whether it is invisible and changes nothing that is seen, as U+202E does.

    Right-to-left override shows ``5060471070`` as another number.
    """
    return character != "\u202e" and is_invisible(character)


def without_invisible(text: str) -> str:
    """Remove invisible characters, and make every kind of space (category Zs) a plain one.

    For numbers, addresses and ids, where neither can mean anything. In the text of a message they
    can: joiners make emoji and the letters of several scripts.
    """
    if text.isascii():
        return text
    return "".join(
        " " if unicodedata.category(ch) == "Zs" else ch for ch in text if not is_removable(ch)
    )


def code_points(characters: str) -> str:
    """Return ``U+200D, U+0663`` for those characters, each once, and at most five."""
    distinct = list(dict.fromkeys(characters))
    more = ", …" if len(distinct) > 5 else ""
    return ", ".join(f"U+{ord(ch):04X}" for ch in distinct[:5]) + more


def composed(text: str) -> str:
    """Return text in composed form (NFC).

    macOS writes ``å`` as ``a`` and a combining ring: two characters to count, that few fonts and
    no SMS alphabet put together.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Return one line: each line break or tab, with the space around it, becomes one space."""
    return _BREAKS.sub(" ", text).strip() if _BREAKS.search(text) else text
