"""SMS segmentation: 3GPP TS 23.038 (alphabets), TS 23.040 section 9.2.3.24 (concatenation)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

#: TS 23.038 section 6.2.1, the default alphabet in the order of its codes, without the escape
#: (0x1B).
BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: TS 23.038 section 6.2.1.1: each character takes two septets, the escape and its code.
EXTENSION: Final = "\f^{}\\[~]|€"

#: Typographic characters inserted by word processors, and their GSM-7 equivalents.
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
_GSM_CHARACTERS: Final = frozenset(BASIC + EXTENSION)
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")

Encoding = Literal["GSM-7", "UCS-2"]


@dataclass(frozen=True, slots=True)
class Measure:
    """Size of a text.

    ``units``: septets (GSM-7) or UTF-16 code units (UCS-2), which is what segments are measured
    in. ``notice``: advice to the sender, or None.
    """

    encoding: Encoding
    units: int
    segments: int
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """Segment capacity of an encoding, in units.

    ``alone``: capacity of a single segment. ``joined``: capacity of each segment of several.
    ``opens``: range of units that begin a pair, which is never split.
    """

    encoding: Encoding
    alone: int
    joined: int
    opens: tuple[str, str]


_GSM: Final = _Alphabet("GSM-7", 160, 153, (_ESCAPE, _ESCAPE))
_UCS: Final = _Alphabet("UCS-2", 70, 67, ("\ud800", "\udbff"))


def with_line_feeds(text: str) -> str:
    """Normalise line ends to LF, the only change made to a text."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def foreign(text: str) -> list[str]:
    """Return the distinct characters that GSM-7 lacks, in the order of the text."""
    return [ch for ch in dict.fromkeys(text) if ch not in _GSM_CHARACTERS]


def measure(text: str) -> Measure:
    """Compute encoding, length and number of segments of a text."""
    text = with_line_feeds(text)
    unsupported = foreign(text)
    alphabet, units = _to_units(text, gsm=not unsupported)
    segments = len(_cut(units, alphabet))
    return Measure(alphabet.encoding, len(units), segments, _notice(text, unsupported, segments))


def split(text: str) -> list[str]:
    """Return the text of each segment; concatenated they equal the text with LF line ends."""
    text = with_line_feeds(text)
    alphabet, units = _to_units(text, gsm=not foreign(text))
    pieces = _cut(units, alphabet)
    if alphabet is _GSM:
        return [piece.replace(_ESCAPE, "") for piece in pieces]
    return [
        piece.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
        for piece in pieces
    ]


def _to_units(text: str, *, gsm: bool) -> tuple[_Alphabet, str]:
    """Expand the text to one character per unit.

    GSM-7 escapes are written out; code points beyond the first plane become two surrogates.
    """
    if gsm:
        return _GSM, text.translate(_ESCAPES)
    return _UCS, _ASTRAL.sub(_surrogates, text)


def _surrogates(match: re.Match[str]) -> str:
    offset = ord(match[0]) - 0x10000
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


def _notice(text: str, unsupported: list[str], segments: int) -> str | None:
    if not unsupported or any(ch not in TYPOGRAPHIC for ch in unsupported):
        return None
    _, units = _to_units(text.translate(_PLAIN), gsm=True)
    names = ", ".join(f"U+{ord(ch):04X} ({ch})" for ch in unsupported)
    plain_segments = len(_cut(units, _GSM))
    return (
        f"{names} requires UCS-2 encoding, {_count(segments)}; with plain characters the text"
        f" would take {_count(plain_segments)}."
    )


def _count(segments: int) -> str:
    return "1 segment" if segments == 1 else f"{segments} segments"
