"""What the ledger comes to: counts by channel and provider, who was reached last, who got something
twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import islice
from typing import Final

from utskick.sandbox.ledger import Ledger, Received

#: Entries handled between two turns of the event loop: a few milliseconds of work.
STRIDE: Final = 200


class LedgerSummary:
    """What the ledger comes to, kept up as it grows, so that nobody reads 200 000 entries to show a
    number."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen = 0
        self._copies: Counter[tuple[str, str, str]] = Counter()
        self._recent: dict[str, dict[str, tuple[int, Received]]] = {}
        self.by_provider: Counter[tuple[str, str]] = Counter()
        self.by_channel: Counter[str] = Counter()
        #: (channel, recipient, key) of what somebody got more than once, and how many times.
        self.repeated: dict[tuple[str, str, str], int] = {}

    async def catch_up(self) -> None:
        """Count what has come since the last time, up to now."""
        target = len(self._ledger)
        while self._seen < target:
            for number in range(self._seen + 1, min(target, self._seen + 10 * STRIDE) + 1):
                if entry := self._ledger.get(number):
                    self._count(entry)
                self._seen = number
            await asyncio.sleep(0)

    def _count(self, entry: Received) -> None:
        recipient = entry.recipient.lower()
        self.by_channel[entry.channel] += 1
        self.by_provider[entry.channel, entry.provider] += 1
        people = self._recent.setdefault(entry.channel, {})
        before = people.pop(recipient, (0, entry))[
            0
        ]  # taken out and put in again: a dict remembers the order
        people[recipient] = (before + 1, entry)
        if entry.key is not None:
            copy = (entry.channel, recipient, entry.key)
            self._copies[copy] += 1
            if self._copies[copy] > 1:
                self.repeated[copy] = self._copies[copy]

    def people(self, channel: str) -> int:
        return len(self._recent.get(channel, ()))

    def recent(self, channel: str, limit: int) -> list[tuple[str, int, Received]]:
        """(recipient, number of messages, newest), the most recently reached first."""
        rows = islice(reversed(self._recent.get(channel, {}).items()), limit)
        return [(recipient, messages, newest) for recipient, (messages, newest) in rows]
