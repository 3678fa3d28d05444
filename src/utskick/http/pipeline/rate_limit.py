"""Rate limiter: a token bucket for each client or address."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from utskick.domain.errors import TooMany

#: Clients whose bucket is kept; the bucket of a client that was evicted is full again.
_MOST: Final = 10_000
#: Tolerance for the rounding of floats.
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
    """Limits the calls of clients.

    ``rate``: calls per second; twice as many may come at once after a pause. Each process counts
    for itself.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, client: str, rate: float | None = None) -> None:
        """Count a call.

        ``rate``: that of the client. Raises ``TooMany`` with the seconds to wait in
        ``Retry-After``.
        """
        self._filled(client, rate or self._rate).left -= 1

    def check(self, client: str) -> None:
        """Raise ``TooMany`` where the next call would be one too many; it is not counted."""
        self._filled(client, self._rate)

    def _filled(self, client: str, rate: float) -> _Bucket:
        """Return the bucket with what has flowed in. Raises ``TooMany`` where there is no call."""
        now, bucket = self._clock(), self._buckets.get(client)
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
        return bucket

    def _remember(self, client: str, rate: float, now: float) -> _Bucket:
        if len(self._buckets) >= _MOST:
            self._buckets.pop(next(iter(self._buckets)))
        bucket = self._buckets[client] = _Bucket(rate, 0.0, now)
        bucket.left = bucket.full
        return bucket
