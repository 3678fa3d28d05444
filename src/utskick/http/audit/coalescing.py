"""Many of a kind: a few of them are told one by one, and of the rest, once a minute, how many there
were."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Seconds of a spate's round.
MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class EventKey:
    """``trail``: whose; ``who``: None stands for all that are too many to be told apart; ``why``:
    of a small set."""

    trail: str
    who: str | None
    why: str


@dataclass(slots=True)
class EventCount(Generic[T]):
    """One kind in one minute. ``left``: that may still be told one by one; ``untold``: how many
    were not; ``last``: the last of them."""

    left: int
    timer: asyncio.TimerHandle
    untold: int = 0
    names: set[str] = field(default_factory=set)
    last: T | None = None


class EventCoalescer(Generic[T]):
    """``most``: kinds that are told apart; further ones count as one for each trail and reason.
    ``each``: told of a kind in a minute.

    ``tell`` is called with a kind and its spate at the end of a minute in which more came than were
    told.
    """

    def __init__(
        self,
        most: int,
        each: int,
        tell: Callable[[EventKey, EventCount[T]], None],
        minute: float = MINUTE,
    ) -> None:
        self._most = most
        self._each = each
        self._tell = tell
        self._minute = minute
        self._spates: dict[EventKey, EventCount[T]] = {}

    def take(self, kind: EventKey, name: str, one: T) -> bool:
        """Whether it is to be told by itself; else it is counted. ``name``: what was called."""
        if kind not in self._spates and len(self._spates) >= self._most:
            kind = EventKey(kind.trail, None, kind.why)
        spate = self._spates.get(kind)
        if spate is None:
            spate = self._spates[kind] = EventCount(self._each, self._timer(kind))
        if spate.left:
            spate.left -= 1
            return True
        spate.untold += 1
        spate.names.add(name)
        spate.last = one
        return False

    def close(self) -> None:
        """What has been counted is told now."""
        for kind, spate in self._spates.items():
            spate.timer.cancel()
            if spate.untold:
                self._tell(kind, spate)
        self._spates.clear()

    def _timer(self, kind: EventKey) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._minute, self._over, kind)

    def _over(self, kind: EventKey) -> None:
        spate = self._spates.pop(kind)
        if spate.untold:  # the next minute begins with what is told here
            self._spates[kind] = EventCount(self._each - 1, self._timer(kind))
            self._tell(kind, spate)
