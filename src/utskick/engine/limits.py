"""Rate limit, concurrency limit and circuit breakers of one provider account, in this process."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from utskick.domain.channel import Account, Priority
from utskick.domain.outcome import Concern, Outcome
from utskick.engine.breaker import CircuitBreaker
from utskick.engine.destinations import (
    HELD_BY_ACCOUNT,
    PATIENCE,
    Destination,
    Destinations,
    Entry,
    Gate,
    Turn,
    Waiter,
)

_LEVEL: Final = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.BULK: 2}
_BULK: Final = _LEVEL[Priority.BULK]

#: Seconds without an attempt after which a half-open circuit is closed: nothing is known any more.
_FORGOTTEN: Final = 600.0

#: Called with the name of the destination, None for the account itself, when a circuit changed.
Changed = Callable[[str | None, CircuitBreaker], None]


class AccountLimits:
    """The limits of an account: slots in the order of priority, never all of them for bulk.

    Nor are all of them for one destination, and waiting for a destination takes none. Slots are
    spaced by the rate, and refused while a circuit is open. ``time``: a monotonic clock in seconds.
    """

    def __init__(
        self, account: Account, time: Callable[[], float], changed: Changed | None = None
    ) -> None:
        self.account = account
        self._time = time
        self._changed = changed
        self._limit = account.concurrency
        self._rate = account.rate
        self._gate = Gate(CircuitBreaker(Concern.ACCOUNT, time), HELD_BY_ACCOUNT)
        self._destinations = Destinations(time)
        self._waiting: list[Entry] = []
        self._order = count()
        self._running = 0
        self._bulk = 0
        self._next_free = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def renew(self, account: Account) -> None:
        """Set changed limits; the state of the breakers stays. ``share`` must follow."""
        self.account = account

    def share(self, workers: int) -> None:
        """Divide the account's limits among so many workers."""
        self._limit = max(1, self.account.concurrency // max(1, workers))
        self._rate = self.account.rate / max(1, workers) if self.account.rate else None
        for name, gate in self._gates():
            if gate.breaker.half_open_for > _FORGOTTEN and not gate.breaker.is_probing:
                gate.breaker.forget()
                self._tell(name, gate)

    def _gates(self) -> Iterator[tuple[str | None, Gate]]:
        yield None, self._gate
        for name, destination in self._destinations.items():
            yield name, destination.gate

    # -- the breakers ----------------------------------------

    @property
    def breaker(self) -> CircuitBreaker:
        """The breaker of the account itself."""
        return self._gate.breaker

    def shut(self, turn: Turn) -> bool:
        """Return whether an attempt cannot begin now: a circuit is open, or is being probed.

        Or the destination is so slow that it would wait for too long.
        """
        if not self._gate.admits(turn.grace):
            return True
        found = self._destination(turn)
        return found is not None and (found.is_stalled or not found.gate.admits(turn.grace))

    def blocks(self, turn: Turn) -> str | None:
        """Return the destination that an attempt waits for; None if it waits for the account."""
        found = self._destination(turn)
        if found is None or not self._gate.admits(turn.grace):
            return None
        return found.name

    def wait(self, turn: Turn) -> float:
        """Return the seconds until an attempt may be made; 0 while a circuit is being probed."""
        wait, found = self._gate.wait(turn.grace), self._destination(turn)
        if found is None:
            return wait
        slow = PATIENCE if found.is_stalled else 0.0
        return max(wait, found.gate.wait(turn.grace), slow)

    def holds(self, turn: Turn) -> bool:
        """Return whether an attempt may wait in memory for what ``shut`` tells."""
        found = self._destination(turn)
        if found is not None and (found.is_stalled or not found.gate.may_hold):
            return False
        return self._gate.may_hold

    def _destination(self, turn: Turn) -> Destination | None:
        return self._destinations.get(turn.destination) if turn.destination is not None else None

    def note(self, slot: Waiter, outcome: Outcome) -> None:
        """Record the outcome of an attempt with each breaker that it concerns."""
        found, gate = slot.destination, self._gate
        if gate.breaker.record(slot.period, outcome, repeated=slot.repeated):
            self._tell(None, gate)
            self._divide(gate, None)
        if found is not None and found.gate.breaker.record(
            slot.period_there, outcome, repeated=slot.repeated
        ):
            self._tell(found.name, found.gate)
            self._divide(found.gate, found)

    def _tell(self, name: str | None, gate: Gate) -> None:
        if self._changed is not None:
            self._changed(name, gate.breaker)

    def _divide(self, gate: Gate, destination: Destination | None) -> None:
        """Let those who wait go on when a circuit has closed, or wait or turn when it opened."""
        if gate.breaker.is_closed:
            self._release(gate)
            return
        if not gate.may_hold:
            gate.refuse_all()
        if destination is None:
            entries, self._waiting = self._waiting, []
        else:
            entries = destination.take_parked()
        for entry in entries:
            self._defer(entry, gate)
        self._arm(gate)

    def _defer(self, entry: Entry, gate: Gate) -> None:
        """Keep an attempt in memory until a circuit is half-open, or refuse it."""
        slot = entry[2]
        if slot.is_over:
            return
        if not slot.patient or not gate.may_hold:
            slot.refuse()
            return
        gate.hold(entry)
        self._arm(gate)

    def _arm(self, gate: Gate) -> None:
        if gate.held and gate.timer is None and not gate.breaker.is_probing:
            gate.timer = asyncio.get_running_loop().call_later(gate.delay, self._wake, gate)

    def _wake(self, gate: Gate) -> None:
        gate.timer = None
        self._release(gate)

    def _release(self, gate: Gate) -> None:
        for entry in gate.released():
            heapq.heappush(self._waiting, entry)
        self._arm(gate)
        self._grant()

    # -- the slots ----------------------------------------

    def slot(self, turn: Turn) -> Slot:
        """Wait for a slot. Not admitted: a circuit opened meanwhile; nothing may be sent now."""
        return Slot(self, turn)

    async def enter(self, slot: Waiter) -> bool:
        """Wait for a slot and take it. False: it is refused."""
        slot.turn = asyncio.get_running_loop().create_future()
        if slot.name is not None:
            slot.destination = self._destinations.enter(slot.name)
        entry = slot.level, next(self._order), slot
        admitted = False
        try:
            if not self._blocks(entry):
                heapq.heappush(self._waiting, entry)
                self._grant()
            admitted = await slot.turn
        except asyncio.CancelledError:
            turn = slot.turn  # it may be granted and cancelled in the same moment
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave(slot)
            elif slot.destination is not None:
                slot.destination.users -= 1
            raise
        if not admitted and slot.destination is not None:
            slot.destination.users -= 1
        return admitted

    def leave(self, slot: Waiter) -> None:
        """Give back a slot that was taken."""
        self._running -= 1
        self._bulk -= slot.level == _BULK
        self._gate.breaker.end(slot.period)
        if (found := slot.destination) is not None:
            found.leave()
            found.users -= 1
            found.gate.breaker.end(slot.period_there)
            for entry in found.unparked(self._limit):
                heapq.heappush(self._waiting, entry)
            if found.gate.held:
                self._release(found.gate)
        if self._gate.held:
            self._release(self._gate)
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._running < self._limit:
            level, _, slot = entry = self._waiting[0]
            if slot.is_over or self._blocks(entry):
                heapq.heappop(self._waiting)
                continue
            if level == _BULK and self._bulk >= self._bulk_limit:
                return
            if self._rate and not self._due(slot.units):
                return
            heapq.heappop(self._waiting)
            self._running += 1
            self._bulk += level == _BULK
            slot.period = self._gate.breaker.begin()
            if (found := slot.destination) is not None:
                found.running += 1
                slot.period_there = found.gate.breaker.begin()
            slot.turn.set_result(True)

    def _blocks(self, entry: Entry) -> bool:
        """Return whether an attempt cannot go on, and has been put where it waits, or refused."""
        slot = entry[2]
        if not self._gate.admits(slot.grace):
            self._defer(entry, self._gate)
            return True
        if (found := slot.destination) is None:
            return False
        if not found.gate.admits(slot.grace):
            self._defer(entry, found.gate)
            return True
        if found.running >= found.room(self._limit):
            found.park(entry)
            return True
        return False

    @property
    def _bulk_limit(self) -> int:
        return self._limit - max(1, self._limit // 5) if self._limit > 1 else 1

    def _due(self, units: int) -> bool:
        """Return whether the rate allows one more now; if not, a timer tries again.

        After one of several units the next one waits for all of them.
        """
        assert self._rate
        now = self._time()
        if now < self._next_free:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(
                    self._next_free - now, self._tick
                )
            return False
        self._next_free = max(now, self._next_free) + units / self._rate
        return True

    def _tick(self) -> None:
        self._timer = None
        self._grant()


class Slot(Waiter):
    """A slot from the moment it is granted until it is left.

    A class, because a generator costs more than the rest of it.
    """

    __slots__ = ("_limits", "admitted")

    def __init__(self, limits: AccountLimits, turn: Turn) -> None:
        super().__init__(_LEVEL[turn.priority], turn)
        self._limits = limits
        self.admitted = False

    def note(self, outcome: Outcome) -> None:
        """Record the outcome of the attempt, before the slot is left."""
        self._limits.note(self, outcome)

    async def __aenter__(self) -> Slot:
        self.admitted = await self._limits.enter(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.admitted:
            self._limits.leave(self)
