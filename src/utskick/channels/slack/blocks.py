"""Block Kit rendering of a message: sections of mrkdwn, and the fallback text.

Block Kit allows 50 blocks in a message and 3 000 characters in a section. Slack does not document
how characters are counted, so UTF-16 units are counted, which are never fewer. A code fence (three
backticks) that spans a cut is not repeated after it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate
from typing import Any, Final

SECTION: Final = 3000
MOST_BLOCKS: Final = 50
#: Characters of the fallback text: Slack advises against more than 4 000.
FALLBACK: Final = 4000

#: Tokens that must not be split: a link, mention or date in angle brackets, and mrkdwn's entities.
_TOKEN: Final = re.compile(r"<[^<>\n]{1,2000}>|&(?:amp|lt|gt);")
_LONGEST_TOKEN: Final = 2002


def units(text: str) -> int:
    """Count UTF-16 units: characters beyond the first plane count twice."""
    return len(text) + sum(ch > "\uffff" for ch in text)


def split(text: str, limit: int = SECTION) -> list[str]:
    """Split into pieces of at most ``limit`` units, dropping the whitespace at cuts."""
    pieces = []
    while len(text) > limit or units(text) > limit:
        end, start = _cut(text, limit)
        pieces.append(text[:end])
        text = text[start:]
    return [piece for piece in (*pieces, text) if piece.strip()]


def fits(text: str) -> bool:
    """Return whether the text fits into one message."""
    return len(text) <= SECTION * MOST_BLOCKS and len(split(text)) <= MOST_BLOCKS


def blocks(text: str) -> list[dict[str, Any]]:
    """Render the text as section blocks."""
    return [{"type": "section", "text": {"type": "mrkdwn", "text": piece}} for piece in split(text)]


def fallback(text: str) -> str:
    """Return the text for notifications and screen readers."""
    pieces = split(text, FALLBACK - 1)
    return pieces[0] + "…" if len(pieces) > 1 else text


class _Tokens:
    """Spans of a text that must not be split, in order and without overlaps."""

    def __init__(self, text: str, end: int) -> None:
        self._spans = [match.span() for match in _TOKEN.finditer(text, 0, end + _LONGEST_TOKEN)]

    def start_at(self, at: int) -> int | None:
        """Return the start of the token that a cut at this position would split, if any."""
        index = bisect_left(self._spans, (at,)) - 1
        if index < 0:
            return None
        start, end = self._spans[index]
        return start if at < end else None


def _cut(text: str, limit: int) -> tuple[int, int]:
    """Return the end of the piece and the start of the next: at a line end, else a space, else any.

    Tokens are kept whole; only one that is longer than the limit is split.
    """
    end = sum(
        used <= limit for used in accumulate(2 if ch > "\uffff" else 1 for ch in text[:limit])
    )
    tokens = _Tokens(text, end)
    for separator in "\n", " ":
        at = text.rfind(separator, end // 2, end + 1)
        while at > 0 and (start := tokens.start_at(at)) is not None:
            at = text.rfind(separator, end // 2, start)
        if at > 0:
            return at, at + 1
    # A token that begins the piece and exceeds the limit has to be split.
    cut = tokens.start_at(end) or end
    return cut, cut
