"""Login throttle: failed attempts for a client impose exponentially longer waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Failures without a wait, maximum wait in seconds, and maximum number of clients remembered.
_FREE: Final = 5
_LONGEST: Final = 60.0
_MOST: Final = 10_000


class LoginThrottle:
    """Throttle of one process. The client with the oldest failure is forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}

    def wait(self, client_id: str) -> float:
        """Return the seconds until the next attempt for this client is accepted, 0 for none."""
        _, until = self._failures.get(client_id, (0, 0.0))
        return max(0.0, until - self._clock())

    def failed(self, client_id: str) -> None:
        """Record a failed attempt."""
        count = self._failures.pop(client_id, (0, 0.0))[0] + 1
        pause = min(_LONGEST, 2.0 ** (count - _FREE)) if count >= _FREE else 0.0
        if len(self._failures) >= _MOST:
            self._failures.pop(next(iter(self._failures)))
        self._failures[client_id] = count, self._clock() + pause

    def passed(self, client_id: str) -> None:
        """Record a successful attempt, which resets the count."""
        self._failures.pop(client_id, None)
