"""Whole numbers as spreadsheets write them, taken only where every digit is there."""

from __future__ import annotations

import re
from typing import Final

_DECIMALS: Final = re.compile(r"([0-9]+)[.,]0+\Z")
_FRACTION: Final = re.compile(r"[0-9]{7,}[.,][0-9]+\Z")
_POWER: Final = re.compile(r"([0-9])(?:[.,]([0-9]+))?[eE]\+?([0-9]{1,2})\Z")

#: A number with a power of ten whose last digits are not written: they are lost.
DIGITS_LOST: Final = "was written by a spreadsheet as a power of ten, and its last digits are lost"
#: A number with decimals that are not zeros.
DECIMALS: Final = "has decimals"


class NotWhole(ValueError):
    """A number of which a spreadsheet did not keep every digit; the text is the reason."""


def whole_number(text: str) -> str:
    """Return ``46701740605`` for ``46701740605.0``, ``…05,00`` and ``4.6701740605E+10``.

    Other text is returned as it is. Raises ``NotWhole`` for ``4,67E+10``, of which the other digits
    are unknown, and for long numbers with decimals.
    """
    if found := _DECIMALS.match(text):
        return found[1]
    if found := _POWER.match(text):
        digits, places = found[1] + (found[2] or ""), int(found[3])
        whole, rest = digits[: places + 1], digits[places + 1 :]
        # Zeros at the end are not written: where digits are missing, nobody knows which.
        if len(whole) <= places:
            raise NotWhole(DIGITS_LOST)
        if rest.strip("0"):
            raise NotWhole(DECIMALS)
        return whole
    if _FRACTION.match(text) and not text.startswith("0"):
        raise NotWhole(DECIMALS)
    return text
