"""How many calls a client may make: a bucket that fills at a rate, and from which each call takes one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from utskick.domain.errors import TooMany

#: Clients whose bucket is remembered: one that is forgotten has a full one again.
_MOST: Final = 10_000
#: Below what a float of this size can tell.
_DUST: Final = 1e-6


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """``rate``: calls a second; twice as many may come at once after a pause. Each process counts for itself."""

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._full = max(1.0, 2 * rate)
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, client: str) -> None:
        """Raises ``TooMany`` with the seconds after which to come again."""
        now = self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._remember(client, now)
        bucket.left = min(self._full, bucket.left + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.left < 1 - _DUST:
            wait = math.ceil((1 - bucket.left) / self._rate)
            raise TooMany(
                f"more than {self._rate:g} calls a second; send many messages as one batch", headers={"Retry-After": str(max(1, wait))}
            )
        bucket.left -= 1

    def _remember(self, client: str, now: float) -> _Bucket:
        if len(self._buckets) >= _MOST:
            self._buckets.pop(next(iter(self._buckets)))
        bucket = self._buckets[client] = _Bucket(self._full, now)
        return bucket
