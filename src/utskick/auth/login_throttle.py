"""Login throttle: failed attempts from an address impose exponentially longer waits.

Never by the client alone: whoever knows its id could keep it out. The secrets have 256 bits, so
that guessing them from many addresses is hopeless.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from utskick.cache import Cache

#: Wrong tries that cost nothing, seconds of the longest wait, and what is remembered.
_FREE: Final = 5
_LONGEST: Final = 60.0
_MOST: Final = 10_000


class LoginThrottle:
    """Throttle of one process, by address and client. The oldest failure is forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: Cache[tuple[str, str], tuple[int, float]] = Cache(_MOST)

    def wait(self, address: str, client_id: str) -> float:
        """Seconds until the next try from this address for this client is looked at; 0: now."""
        _, until = self._failures.get((address, client_id)) or (0, 0.0)
        return max(0.0, until - self._clock())

    def failed(self, address: str, client_id: str) -> None:
        key = address, client_id
        count = (self._failures.get(key) or (0, 0.0))[0] + 1
        pause = min(_LONGEST, 2.0 ** (count - _FREE)) if count >= _FREE else 0.0
        self._failures.put(key, (count, self._clock() + pause))

    def passed(self, address: str, client_id: str) -> None:
        self._failures.drop((address, client_id))
