"""What somebody outside has told, remembered for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """At most ``limit`` things, each for ``life`` seconds; the oldest goes first."""

    def __init__(
        self, *, limit: int, life: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._life = life
        self._clock = clock
        self._held: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        found = self._held.get(key)
        if found is None:
            return None
        until, value = found
        if self._clock() >= until:
            del self._held[key]
            return None
        return value

    def put(self, key: K, value: V) -> None:
        if self._life <= 0:
            return
        self._held.pop(key, None)
        self._held[key] = self._clock() + self._life, value
        if len(self._held) > self._limit:
            self._held.popitem(last=False)

    def drop(self, key: K) -> None:
        self._held.pop(key, None)
