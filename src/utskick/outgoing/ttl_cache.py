"""Bounded cache with a time to live."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """Cache of at most ``limit`` entries for ``life`` seconds each; the oldest is evicted first."""

    def __init__(
        self, *, limit: int, life: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._life = life
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        until, value = entry
        if self._clock() >= until:
            del self._entries[key]
            return None
        return value

    def put(self, key: K, value: V) -> None:
        if self._life <= 0:
            return
        self._entries.pop(key, None)
        self._entries[key] = self._clock() + self._life, value
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)
