"""The database's clock: the time that expiry, retention and every stored moment go by.

A process counts on from the last answer of the database by its monotonic clock, so that a machine
whose clock is wrong, or is set while the service runs, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

import structlog

from utskick.domain.clock import Clock, utc_now

log = structlog.get_logger(__name__)

#: How far the machine's own clock may be off before its worker takes no jobs. Certificates, tokens
#: and signatures are made and verified by that clock.
TOLERANCE: Final = timedelta(seconds=5)

#: Seconds between two checks.
EVERY: Final = 5.0

#: An answer that took longer (s) is too inexact, unless there is none yet.
_SLOW: Final = 1.0


class DatabaseClock:
    """Clock of one database; the machine's until the first ``check``.

    ``wall``: the machine's clock. ``elapsed``: seconds that never jump.
    """

    def __init__(self, wall: Clock = utc_now, elapsed: Callable[[], float] = monotonic) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._moment: datetime | None = None
        self._at = 0.0
        self._was_right = True

    def __call__(self) -> datetime:
        """Return the database's time, as an aware UTC datetime."""
        if self._moment is None:
            return self._wall()
        return self._moment + timedelta(seconds=self._elapsed() - self._at)

    async def check(self, connection: Any) -> None:
        """Ask the database for its time. Raises its faults."""
        before = self._elapsed()
        moment = await connection.fetchval("SELECT clock_timestamp()")
        took = self._elapsed() - before
        if took <= _SLOW or self._moment is None:
            self._moment, self._at = moment, before + took / 2

    @property
    def offset(self) -> timedelta:
        """How far the machine's clock is ahead of the database's."""
        return self._wall() - self()

    def is_right(self) -> bool:
        """Return whether the machine's clock agrees with the database's; a change is logged."""
        offset = self.offset
        right = abs(offset) <= TOLERANCE
        if right is not self._was_right:
            self._was_right = right
            if right:
                log.warning("clock-right-again")
            else:
                log.error(
                    "clock-wrong",
                    offset_seconds=round(offset.total_seconds(), 1),
                    advice="this process sends, expires and deletes nothing until the clocks of "
                    "this machine and of the database agree to 5 s: check NTP on both",
                )
        return right

    def health(self) -> dict[str, Any]:
        """Return the component of the health check."""
        return {
            "status": "UP" if self.is_right() else "DOWN",
            "offsetSeconds": round(self.offset.total_seconds(), 1),
        }
