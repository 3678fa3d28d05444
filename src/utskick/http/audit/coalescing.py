"""Coalescing of events.

The first events of a key each minute are logged; the rest is summarised as a count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Seconds for which events of a key are counted.
MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class EventKey:
    """Key of an event.

    ``municipality_id``: the one with the audit log; ``source``: client or address, None for all
    beyond the number that is kept apart; ``reason``: of a small set.
    """

    municipality_id: str
    source: str | None
    reason: str


@dataclass(slots=True)
class EventCount(Generic[T]):
    """Events of one key in one minute.

    ``left``: how many may still be logged individually; ``suppressed``: how many were only counted;
    ``names``, ``last``: their operations and the last of them.
    """

    left: int
    timer: asyncio.TimerHandle
    suppressed: int = 0
    names: set[str] = field(default_factory=set)
    last: T | None = None


class EventCoalescer(Generic[T]):
    """Counts events per key and minute.

    ``most``: keys that are kept apart; further ones share one key per municipality and reason.
    ``each``: events of a key that are logged individually per minute. ``report`` is called at the
    end of a minute with a key and its count, where events were only counted. ``minute``: length in
    seconds.
    """

    def __init__(
        self,
        most: int,
        each: int,
        report: Callable[[EventKey, EventCount[T]], None],
        minute: float = MINUTE,
    ) -> None:
        self._most = most
        self._each = each
        self._report = report
        self._minute = minute
        self._counts: dict[EventKey, EventCount[T]] = {}

    def count(self, key: EventKey, name: str, one: T) -> bool:
        """Count an event and return whether to log it individually. ``name``: the operation."""
        if key not in self._counts and len(self._counts) >= self._most:
            key = EventKey(key.municipality_id, None, key.reason)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = EventCount(self._each, self._timer(key))
        if count.left:
            count.left -= 1
            return True
        count.suppressed += 1
        count.names.add(name)
        count.last = one
        return False

    def close(self) -> None:
        """Report all counts now."""
        for key, count in self._counts.items():
            count.timer.cancel()
            if count.suppressed:
                self._report(key, count)
        self._counts.clear()

    def _timer(self, key: EventKey) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._minute, self._over, key)

    def _over(self, key: EventKey) -> None:
        count = self._counts.pop(key)
        if count.suppressed:  # the report counts as the first event of the next minute
            self._counts[key] = EventCount(self._each - 1, self._timer(key))
            self._report(key, count)
