"""Summary of the ledger: counts by channel and provider, recent recipients and duplicates."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import islice
from typing import Final

from utskick.sandbox.ledger import Ledger, Received

#: Entries handled before yielding to the event loop: a few milliseconds of work.
CHUNK: Final = 200


class LedgerSummary:
    """Incremental summary, since counting 200 000 entries on each request is too slow."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._counted = 0
        self._copies: Counter[tuple[str, str, str]] = Counter()
        self._recent: dict[str, dict[str, tuple[int, Received]]] = {}
        self.by_provider: Counter[tuple[str, str]] = Counter()
        self.by_channel: Counter[str] = Counter()
        #: (channel, recipient, key) of messages received more than once → number of copies.
        self.repeated: dict[tuple[str, str, str], int] = {}

    async def catch_up(self) -> None:
        """Count the entries added since the last call."""
        target = len(self._ledger)
        while self._counted < target:
            for number in range(self._counted + 1, min(target, self._counted + 10 * CHUNK) + 1):
                if entry := self._ledger.get(number):
                    self._count(entry)
                self._counted = number
            await asyncio.sleep(0)

    def _count(self, entry: Received) -> None:
        recipient = entry.recipient.lower()
        self.by_channel[entry.channel] += 1
        self.by_provider[entry.channel, entry.provider] += 1
        people = self._recent.setdefault(entry.channel, {})
        before = people.pop(recipient, (0, entry))[
            0
            # Reinserted, since a dict keeps the order of insertion.
        ]
        people[recipient] = (before + 1, entry)
        if entry.key is not None:
            copy = (entry.channel, recipient, entry.key)
            self._copies[copy] += 1
            if self._copies[copy] > 1:
                self.repeated[copy] = self._copies[copy]

    def people(self, channel: str) -> int:
        return len(self._recent.get(channel, ()))

    def recent(self, channel: str, limit: int) -> list[tuple[str, int, Received]]:
        """Return (recipient, number of messages, newest entry), the most recently reached first."""
        rows = islice(reversed(self._recent.get(channel, {}).items()), limit)
        return [(recipient, messages, newest) for recipient, (messages, newest) in rows]
