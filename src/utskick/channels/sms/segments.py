"""How many SMS a text takes, and where it is cut: 3GPP TS 23.038 (alphabets) and TS 23.040 section
9.2.3.24 (concatenation)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

#: TS 23.038 section 6.2.1, the default alphabet in the order of its codes, without the escape
#: (0x1B).
BASIC: Final = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
#: TS 23.038 section 6.2.1.1: each costs two septets, the escape and itself.
EXTENSION: Final = "\f^{}\\[~]|€"

#: What word processors put in where a key of the keyboard was pressed, and what that key says.
TYPOGRAPHIC: Final = {
    **dict.fromkeys("‘’‚‛′´`‹›", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("\u2010\u2011\u2012–—―\u2212•‣·", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\t", " "),
    **dict.fromkeys("\u00ad\u200b\u2060\ufeff", ""),
    "…": "...",
}

_ESCAPE: Final = "\x1b"
_ESCAPES: Final = {ord(ch): _ESCAPE + ch for ch in EXTENSION}
_PLAIN: Final = str.maketrans(TYPOGRAPHIC)
_SAYABLE: Final = frozenset(BASIC + EXTENSION)
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")

Encoding = Literal["GSM-7", "UCS-2"]


@dataclass(frozen=True, slots=True)
class Measure:
    """``units``: septets or UTF-16 units, which is what a segment counts. ``notice``: advice to the
    sender, None where there is none."""

    encoding: Encoding
    units: int
    segments: int
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """``alone``, ``joined``: units in a text of one segment, and in each of several. ``opens``: the
    first units of pairs."""

    encoding: Encoding
    alone: int
    joined: int
    opens: tuple[str, str]


_GSM: Final = _Alphabet("GSM-7", 160, 153, (_ESCAPE, _ESCAPE))
_UCS: Final = _Alphabet("UCS-2", 70, 67, ("\ud800", "\udbff"))


def with_line_feeds(text: str) -> str:
    """The only change that a text goes through: each line ends with one LF, which every phone and
    both alphabets know."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def foreign(text: str) -> list[str]:
    """The characters that GSM-7 cannot say, each once, in the order of the text."""
    return [ch for ch in dict.fromkeys(text) if ch not in _SAYABLE]


def measure(text: str) -> Measure:
    text = with_line_feeds(text)
    strangers = foreign(text)
    alphabet, units = _spell(text, gsm=not strangers)
    segments = len(_cut(units, alphabet))
    return Measure(alphabet.encoding, len(units), segments, _notice(text, strangers, segments))


def split(text: str) -> list[str]:
    """The text of each segment; joined they are the text (with its line ends as LF)."""
    text = with_line_feeds(text)
    alphabet, units = _spell(text, gsm=not foreign(text))
    pieces = _cut(units, alphabet)
    if alphabet is _GSM:
        return [piece.replace(_ESCAPE, "") for piece in pieces]
    return [
        piece.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
        for piece in pieces
    ]


def _spell(text: str, *, gsm: bool) -> tuple[_Alphabet, str]:
    """The text as one character per unit: escapes written out, or code points beyond the first
    plane as their two surrogates."""
    if gsm:
        return _GSM, text.translate(_ESCAPES)
    return _UCS, _ASTRAL.sub(_surrogates, text)


def _surrogates(found: re.Match[str]) -> str:
    offset = ord(found[0]) - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def _cut(units: str, alphabet: _Alphabet) -> list[str]:
    if len(units) <= alphabet.alone:
        return [units]
    first, last = alphabet.opens
    pieces, start = [], 0
    while start < len(units):
        end = min(start + alphabet.joined, len(units))
        if end < len(units) and first <= units[end - 1] <= last:
            end -= 1
        pieces.append(units[start:end])
        start = end
    return pieces


def _notice(text: str, strangers: list[str], segments: int) -> str | None:
    if not strangers or any(ch not in TYPOGRAPHIC for ch in strangers):
        return None
    _, units = _spell(text.translate(_PLAIN), gsm=True)
    names = ", ".join(f"U+{ord(ch):04X} ({ch})" for ch in strangers)
    without = len(_cut(units, _GSM))
    return f"{names} can only be said in UCS-2, which takes {_count(segments)}; with plain characters instead it would be {_count(without)}."


def _count(segments: int) -> str:
    return "1 segment" if segments == 1 else f"{segments} segments"
