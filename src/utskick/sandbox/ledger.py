"""Ledger of the messages received by citizens, independent of Utskick's own records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """Received message; ``key`` is our delivery id, if the protocol carries it."""

    channel: str
    provider: str
    recipient: str
    sender: str
    text: str
    key: str | None = None
    reference: str | None = None
    subject: str | None = None
    raw: bytes = b""
    number: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def to_json(self) -> dict[str, Any]:
        members = asdict(self)
        members.pop("raw")
        members["at"] = self.at.isoformat()
        members["size"] = len(self.raw)
        return members


class Ledger:
    """Append-only ledger in memory; entries are numbered from 1."""

    def __init__(self) -> None:
        self._entries: list[Received] = []
        self._by_recipient: dict[tuple[str, str], list[Received]] = defaultdict(list)

    def add(self, entry: Received) -> Received:
        numbered = Received(
            **{**{f: getattr(entry, f) for f in entry.__slots__}, "number": len(self._entries) + 1}
        )
        self._entries.append(numbered)
        self._by_recipient[entry.channel, entry.recipient.lower()].append(numbered)
        return numbered

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, channel: str, recipient: str) -> list[Received]:
        return list(self._by_recipient.get((channel, recipient.lower()), ()))

    def get(self, number: int) -> Received | None:
        return self._entries[number - 1] if 0 < number <= len(self._entries) else None

    def after(
        self, number: int, channel: str | None = None, limit: int = 1000
    ) -> Iterator[Received]:
        for entry in islice(self._entries, max(0, number), None):
            if limit <= 0:
                return
            if channel is None or entry.channel == channel:
                yield entry
                limit -= 1

    def recipients(self, channel: str) -> list[tuple[str, int, Received]]:
        """Return (recipient, number of messages, newest entry), the newest first."""
        rows = [
            (r, len(entries), entries[-1])
            for (c, r), entries in self._by_recipient.items()
            if c == channel
        ]
        return sorted(rows, key=lambda row: row[2].number, reverse=True)
