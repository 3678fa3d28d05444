"""Memory of bodies and answers in flight: a budget of the process, and what a call takes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from utskick.domain.errors import Overloaded
from utskick.http.wire.refusals import Refusals

#: A body is in memory several times while it is served: as it came, parsed, decoded and stored.
COPIES: Final = 4


class MemoryBudget:
    """Bytes that calls may hold at a time. One alone may hold more."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._used = 0
        self._refusals = Refusals("memory-refused", clock)

    @property
    def used(self) -> int:
        return self._used

    def take(self, count: int) -> bool:
        """Take bytes of the budget; False: they are not left."""
        if self._used and self._used + count > self._limit:
            self._refusals.add(limit=self._limit, used=self._used)
            return False
        self._used += count
        return True

    def give_back(self, count: int) -> None:
        self._used -= count

    def health(self) -> dict[str, Any] | None:
        """Return the state for the health check; None: nothing was ever refused."""
        return self._refusals.health(used=self._used, limit=self._limit)


class MemoryShare:
    """What one call holds of the budget until it ends."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._held = 0

    def body(self, length: int) -> None:
        """Hold memory for a body of at least so many bytes. Raises ``Overloaded``."""
        more = length * COPIES - self._held
        if more <= 0:
            return
        # what the call holds already must not keep it from being the one that may hold more
        self._budget.give_back(self._held)
        if not self._budget.take(self._held + more):
            self._held = 0
            raise overloaded()
        self._held += more

    def answer(self, length: int) -> bool:
        """Hold memory for an answer; False: it is not left."""
        if not self._budget.take(length):
            return False
        self._held += length
        return True

    def end(self) -> None:
        self._budget.give_back(self._held)
        self._held = 0


def overloaded() -> Overloaded:
    """Return the error of a call for which no memory is left; the rest of its body is not read."""
    return Overloaded(
        "the bodies and answers in flight take all of http.memory; nothing was accepted",
        headers={"Retry-After": "5", "Connection": "close"},
    )
