"""A message as Slack's blocks: sections of mrkdwn, cut where it is seen least, and the text for
notifications.

Block Kit: at most 50 blocks in a message, at most 3 000 characters in a section. Slack does not say
how it counts characters, so they are counted in UTF-16 units, which are never fewer. A code fence
(three backticks) that spans a cut is not repeated after it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate
from typing import Any, Final

SECTION: Final = 3000
MOST_BLOCKS: Final = 50
#: Characters of the fallback: beyond 4 000 Slack advises against more text.
FALLBACK: Final = 4000

#: What must not be torn: a link, a mention or a date in angle brackets, and the three entities of
#: mrkdwn.
_WHOLE: Final = re.compile(r"<[^<>\n]{1,2000}>|&(?:amp|lt|gt);")
_LONGEST_WHOLE: Final = 2002


def units(text: str) -> int:
    """UTF-16 units: characters beyond the first plane count twice."""
    return len(text) + sum(ch > "\uffff" for ch in text)


def split(text: str, limit: int = SECTION) -> list[str]:
    """Pieces of at most ``limit`` units each; the line end or space at a cut is left out, and so is
    a piece of nothing else."""
    pieces = []
    while len(text) > limit or units(text) > limit:
        end, start = _cut(text, limit)
        pieces.append(text[:end])
        text = text[start:]
    return [piece for piece in (*pieces, text) if piece.strip()]


def fits(text: str) -> bool:
    """Whether it can be said in one message."""
    return len(text) <= SECTION * MOST_BLOCKS and len(split(text)) <= MOST_BLOCKS


def blocks(text: str) -> list[dict[str, Any]]:
    return [{"type": "section", "text": {"type": "mrkdwn", "text": piece}} for piece in split(text)]


def fallback(text: str) -> str:
    """What notifications and screen readers get."""
    pieces = split(text, FALLBACK - 1)
    return pieces[0] + "…" if len(pieces) > 1 else text


class _Wholes:
    """What of a text must not be torn: stretches that neither touch nor overlap inside."""

    def __init__(self, text: str, end: int) -> None:
        self._spans = [found.span() for found in _WHOLE.finditer(text, 0, end + _LONGEST_WHOLE)]

    def torn(self, at: int) -> int | None:
        """The start of what a cut here would tear."""
        place = bisect_left(self._spans, (at,)) - 1
        if place < 0:
            return None
        start, end = self._spans[place]
        return start if at < end else None


def _cut(text: str, limit: int) -> tuple[int, int]:
    """Where the piece ends, and where the next one starts: at a line end, else at a space, else
    where nothing is torn."""
    end = sum(
        used <= limit for used in accumulate(2 if ch > "\uffff" else 1 for ch in text[:limit])
    )
    wholes = _Wholes(text, end)
    for mark in "\n", " ":
        at = text.rfind(mark, end // 2, end + 1)
        while at > 0 and (torn := wholes.torn(at)) is not None:
            at = text.rfind(mark, end // 2, torn)
        if at > 0:
            return at, at + 1
    cut = (
        wholes.torn(end) or end
    )  # one that begins the piece and is longer than it can only be torn
    return cut, cut
