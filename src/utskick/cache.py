"""A bounded cache in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import inf
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _one(_: object) -> int:
    return 1


class Cache(Generic[K, V]):
    """Values by key, up to ``limit`` in total; the least recently used is dropped first.

    ``weigh``: what a value counts for, 1 without it. A value that alone exceeds the limit is not
    stored. ``seconds``: how long a value is valid, without end by default; 0 stores nothing.
    ``clock``: seconds that never go back.
    """

    def __init__(
        self,
        limit: int,
        *,
        weigh: Callable[[V], int] = _one,
        seconds: float = inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._weigh = weigh
        self._seconds = seconds
        self._clock = clock
        self._total = 0
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value, or None where there is none that is valid."""
        found = self._entries.get(key)
        if found is None:
            return None
        until, value = found
        if until != inf and self._clock() >= until:
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V, seconds: float | None = None) -> None:
        """Store a value. ``seconds``: its own validity, where that is not the cache's."""
        self.drop(key)
        valid, weight = self._seconds if seconds is None else seconds, self._weigh(value)
        if valid <= 0 or weight > self._limit:
            return
        self._entries[key] = (inf if valid == inf else self._clock() + valid), value
        self._total += weight
        while self._total > self._limit:
            _, (_, dropped) = self._entries.popitem(last=False)
            self._total -= self._weigh(dropped)

    def drop(self, key: K) -> None:
        """Remove a value, if it is there."""
        found = self._entries.pop(key, None)
        if found is not None:
            self._total -= self._weigh(found[1])

    def clear(self) -> None:
        """Remove all values."""
        self._entries.clear()
        self._total = 0
