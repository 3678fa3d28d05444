"""Destinations beyond a provider account: mail domains, mailbox operators, push services."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import choice
from typing import Final, TypeAlias

from utskick.domain.channel import Priority
from utskick.domain.outcome import Concern
from utskick.engine.breaker import CircuitBreaker

#: Seconds: a circuit that opens for longer is not waited for in memory.
HOLD: Final = 2.0
#: Seconds that a half-open circuit waits for another probe than one in doubt, and than one that
#: has failed before and is not urgent.
GRACE: Final = 2.0
GRACE_OF_RETRIES: Final = 0.25
#: Attempts that wait in memory for the circuit of an account, and of a destination.
HELD_BY_ACCOUNT: Final = 16
HELD_BY_DESTINATION: Final = 2

#: Destinations that are kept for each account; those that are not in use are dropped beyond it.
MOST: Final = 256
#: Seconds: who would wait longer than this for a slow destination is returned to the queue, for
#: so long.
PATIENCE: Final = 5.0
#: Seconds between two looks at who waits too long.
SWEEP: Final = 0.5


@dataclass(frozen=True, slots=True)
class Turn:
    """Who waits for a slot.

    ``doubtful``: an earlier attempt of the delivery may have been sent. ``retried``: an earlier
    round of attempts failed, perhaps because of its recipient. ``patient``: it may wait in memory
    for a circuit that is open for a short time. ``units``: what the rate counts it for.
    """

    priority: Priority
    destination: str | None = None
    doubtful: bool = False
    retried: bool = False
    patient: bool = False
    units: int = 1

    @property
    def grace(self) -> float:
        """Seconds that it leaves others to be the probe of a half-open circuit."""
        if self.doubtful:
            return GRACE
        return GRACE_OF_RETRIES if self.retried and self.priority is not Priority.HIGH else 0.0


class Waiter:
    """An attempt that waits for a slot, and has it from the moment that it is granted.

    ``level``: of its priority, 0 is the most urgent. ``repeated``: the delivery has failed before.
    ``name``: of its destination. ``period``, ``period_there``: of the breakers of account and
    destination when it was granted.
    """

    __slots__ = (
        "destination",
        "grace",
        "level",
        "name",
        "patient",
        "period",
        "period_there",
        "repeated",
        "turn",
        "units",
    )
    turn: asyncio.Future[bool]
    destination: Destination | None

    def __init__(self, level: int, turn: Turn) -> None:
        self.level = level
        self.name = turn.destination
        self.repeated = turn.doubtful or turn.retried
        self.grace = turn.grace
        self.patient = turn.patient
        self.units = turn.units
        self.destination = None
        self.period = self.period_there = 0

    @property
    def is_over(self) -> bool:
        """Whether it was granted, refused or cancelled."""
        return self.turn.done()

    def refuse(self) -> None:
        if not self.turn.done():
            self.turn.set_result(False)


#: Level of priority, order of arrival, and who waits.
Entry: TypeAlias = tuple[int, int, Waiter]


class Gate:
    """A circuit breaker, and the most urgent attempts that wait in memory until it is half-open."""

    def __init__(self, breaker: CircuitBreaker, most: int) -> None:
        self.breaker = breaker
        self.held: list[Entry] = []
        self.timer: asyncio.TimerHandle | None = None
        self._most = most

    def admits(self, grace: float) -> bool:
        """Return whether an attempt may begin; as a probe after its grace."""
        breaker = self.breaker
        if breaker.is_closed:
            return True
        return not breaker.is_blocked and breaker.half_open_for >= grace

    @property
    def may_hold(self) -> bool:
        """Whether an attempt may wait here in memory."""
        return self.breaker.is_closed or self.breaker.pause <= HOLD

    def wait(self, grace: float) -> float:
        """Seconds until an attempt may be admitted; 0 while a probe is running."""
        if self.breaker.is_closed:
            return 0.0
        return self.breaker.opens_in + grace

    def hold(self, entry: Entry) -> None:
        """Keep an attempt; beyond the limit, the least urgent is refused."""
        self.held.append(entry)
        if len(self.held) > self._most:
            self.held.sort()
            self.held.pop()[2].refuse()

    def refuse_all(self) -> None:
        held, self.held = self.held, []
        for _, _, slot in held:
            slot.refuse()

    def released(self) -> list[Entry]:
        """Take those who may go on now: all if it is closed, one if it is half-open."""
        if self.breaker.is_closed:
            held, self.held = self.held, []
            return held
        if self.breaker.is_blocked:
            return []
        self.held = [entry for entry in self.held if not entry[2].is_over]
        fit = [entry for entry in self.held if self.admits(entry[2].grace)]
        if not fit:
            return []
        # Any of the most urgent: in the order of arrival, some ill recipients could be the probes
        # for long.
        urgent = min(fit)[0]
        probe = choice([entry for entry in fit if entry[0] == urgent])  # noqa: S311
        self.held.remove(probe)
        return [probe]

    @property
    def delay(self) -> float:
        """Seconds until ``released`` may have an answer, without the end of a probe."""
        grace = min(entry[2].grace for entry in self.held)
        return max(0.001, self.breaker.opens_in + grace - self.breaker.half_open_for)


class Destination:
    """One destination: its breaker, its running attempts, and those that wait for one to end.

    ``users``: running and waiting attempts, for as long as it must be kept.
    """

    def __init__(self, name: str, time: Callable[[], float]) -> None:
        self.name = name
        self.gate = Gate(CircuitBreaker(Concern.DESTINATION, time), HELD_BY_DESTINATION)
        self.users = self.running = 0
        self._time = time
        self._parked: list[Entry] = []
        self._most_parked: int | None = None
        self._interval = 0.0
        self._left_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def room(self, limit: int) -> int:
        """Return how many of an account's slots it may use: never all, and few while it fails."""
        if limit == 1:
            return 1
        if self.gate.breaker.has_errors:
            return max(1, limit // 4)
        return limit - max(1, limit // 5)

    def park(self, entry: Entry) -> None:
        """Let an attempt wait, without a slot of the account, until one of this has ended."""
        if not self._parked:
            self._left_at = self._time()
        heapq.heappush(self._parked, entry)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    def leave(self) -> None:
        """End a running attempt."""
        self.running -= 1
        if self._parked:
            now = self._time()
            self._interval += 0.2 * (now - self._left_at - self._interval)
            self._left_at = now

    def unparked(self, limit: int) -> Iterator[Entry]:
        """Take those who may go on now."""
        room = self.room(limit) - self.running
        while self._parked and room > 0:
            entry = heapq.heappop(self._parked)
            if not entry[2].is_over:
                room -= 1
                yield entry

    def take_parked(self) -> list[Entry]:
        parked, self._parked = self._parked, []
        return parked

    @property
    def is_stalled(self) -> bool:
        """Whether an attempt would have to wait for too long."""
        return self._most_parked is not None and len(self._parked) >= self._most_parked

    def _sweep(self) -> None:
        """Refuse those who would wait for too long, so that others find room in the worker."""
        self._timer = None
        self._parked = [entry for entry in self._parked if not entry[2].is_over]
        if not self._parked and not self.users:
            self._most_parked = None
            return
        self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep)
        pace = max(self._interval, self._time() - self._left_at if self.running else 0.0)
        self._most_parked = int(PATIENCE / pace) if pace else None
        if self._most_parked is not None and len(self._parked) > self._most_parked:
            self._parked.sort()
            refused = self._parked[self._most_parked :]
            del self._parked[self._most_parked :]
            for _, _, slot in refused:
                slot.refuse()


class Destinations(Mapping[str, Destination]):
    """The destinations of an account, a bounded number."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._kept: dict[str, Destination] = {}

    def __getitem__(self, name: str) -> Destination:
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def enter(self, name: str) -> Destination:
        """Return a destination for one more user."""
        found = self._kept.get(name)
        if found is None:
            if len(self._kept) >= MOST:
                self._drop_idle()
            found = self._kept[name] = Destination(name, self._time)
        found.users += 1
        return found

    def _drop_idle(self) -> None:
        """Drop those that nobody uses and whose circuit is closed."""
        for name, destination in list(self._kept.items()):
            if not destination.users and destination.gate.breaker.is_closed:
                del self._kept[name]
