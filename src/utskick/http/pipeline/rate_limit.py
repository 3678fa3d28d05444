"""How many calls a client may make: a bucket that fills at a rate, and from which each call takes
one."""

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
    rate: float
    left: float
    at: float

    @property
    def full(self) -> float:
        return max(1.0, 2 * self.rate)


class RateLimiter:
    """``rate``: calls a second; twice as many may come at once after a pause. Each process counts
    for itself."""

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, client: str, rate: float | None = None) -> None:
        """``rate``: the client's own. Raises ``TooMany`` with the seconds after which to come
        again."""
        now, rate = self._clock(), rate or self._rate
        bucket = self._buckets.get(client)
        if bucket is None or bucket.rate != rate:
            bucket = self._remember(client, rate, now)
        bucket.left = min(bucket.full, bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.left < 1 - _DUST:
            wait = math.ceil((1 - bucket.left) / rate)
            raise TooMany(
                f"more than {rate:g} calls a second; send many messages as one batch",
                headers={"Retry-After": str(max(1, wait))},
            )
        bucket.left -= 1

    def _remember(self, client: str, rate: float, now: float) -> _Bucket:
        if len(self._buckets) >= _MOST:
            self._buckets.pop(next(iter(self._buckets)))
        bucket = self._buckets[client] = _Bucket(rate, 0.0, now)
        bucket.left = bucket.full
        return bucket
