"""Login throttle: failed attempts for a client impose exponentially longer waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from utskick.cache import Cache

#: Wrong tries that cost nothing, seconds of the longest wait, and the clients that are remembered.
_FREE: Final = 5
_LONGEST: Final = 60.0
_MOST: Final = 10_000


class LoginThrottle:
    """Throttle of one process. The client with the oldest failure is forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: Cache[str, tuple[int, float]] = Cache(_MOST)

    def wait(self, client_id: str) -> float:
        """Seconds until the next try for this client is looked at; 0: now."""
        _, until = self._failures.get(client_id) or (0, 0.0)
        return max(0.0, until - self._clock())

    def failed(self, client_id: str) -> None:
        count = (self._failures.get(client_id) or (0, 0.0))[0] + 1
        pause = min(_LONGEST, 2.0 ** (count - _FREE)) if count >= _FREE else 0.0
        self._failures.put(client_id, (count, self._clock() + pause))

    def passed(self, client_id: str) -> None:
        self._failures.drop(client_id)
