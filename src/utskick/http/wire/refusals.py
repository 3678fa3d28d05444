"""What a bound of the process has refused: counted, logged once a minute, told by health checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

#: Seconds between two log lines, and for which the health check is degraded.
_MINUTE: Final = 60.0


class Refusals:
    """Counter of one bound. ``event``: of its log lines."""

    def __init__(self, event: str, clock: Callable[[], float]) -> None:
        self._event = event
        self._clock = clock
        self._count = 0
        self._last: float | None = None
        self._next_log = 0.0

    def add(self, **facts: Any) -> None:
        """Count one. ``facts``: of the log line."""
        self._count += 1
        self._last = now = self._clock()
        if now >= self._next_log:
            self._next_log = now + _MINUTE
            log.warning(self._event, **facts, refused=self._count)

    def health(self, **facts: Any) -> dict[str, Any] | None:
        """Return the state for the health check; None: nothing was ever refused."""
        if self._last is None:
            return None
        recently = self._clock() - self._last < _MINUTE
        return {"status": "DEGRADED" if recently else "UP", **facts, "refused": self._count}
