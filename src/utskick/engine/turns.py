"""Which account a delivery goes by next, and what it waits for where all of them are shut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from utskick.cache import Cache
from utskick.domain.channel import Priority
from utskick.domain.clock import Clock
from utskick.domain.delivery import Delivery
from utskick.engine.accounts import AccountLimitsMap, Wait
from utskick.engine.destinations import Turn
from utskick.engine.limits import Slot
from utskick.engine.retry import choose

#: Deliveries whose destination is remembered while they wait in the queue.
_REMEMBERED: Final = 20_000
#: Seconds: the shortest wait in the queue, and how long before its expiry a delivery comes back.
_SHORTEST: Final = 0.5
_LAST_CHANCE: Final = 1.0


class Turns:
    """Chooses accounts, and remembers where deliveries go that wait in the queue.

    ``random``: 0 ≤ x < 1.
    """

    def __init__(self, limits: AccountLimitsMap, clock: Clock, random: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._random = random
        self._destinations: Cache[UUID, str] = Cache(_REMEMBERED)

    def turn(self, delivery: Delivery, destination: str | None) -> Turn:
        return Turn(
            delivery.priority,
            destination,
            delivery.doubts > 0,
            delivery.attempts > 0 and not delivery.tried,
        )

    def slot(
        self, delivery: Delivery, account: str, turn: Turn, units: Callable[[str], int]
    ) -> Slot:
        """Return a slot of the account. ``units`` is asked only where the account has a rate."""
        limits = self._limits[delivery.channel, account]
        if limits.account.rate is not None and (number := units(account)) != 1:
            turn = replace(turn, units=number)
        return limits.slot(turn)

    def is_shut(self, delivery: Delivery, account: str, turn: Turn) -> bool:
        return self._limits[delivery.channel, account].shut(turn)

    def choose(
        self, delivery: Delivery, able: Sequence[str], turn: Turn
    ) -> tuple[str, Turn] | None:
        """Return the account to wait for a slot of, with the turn; None: wait in the queue.

        Where all are shut, the one that is probed soonest, if that may be waited for in memory.
        Once only: who is refused after that waits in the queue.
        """
        shut = [account for account in able if self.is_shut(delivery, account, turn)]
        account = choose(able, delivery.tried, shut)
        if account is not None:
            return account, turn
        soonest = self._limits.wait(delivery.channel, able, turn)
        if turn.patient or not soonest.in_memory:
            return None
        return soonest.account, replace(turn, patient=True)

    def wait(self, delivery: Delivery, able: Sequence[str], turn: Turn) -> Wait:
        """Return what a delivery waits for in the queue, until a circuit may be probed.

        Urgent deliveries come back first, so that one of them is the probe; and all of them before
        they expire.
        """
        wait = self._limits.wait(delivery.channel, able, turn)
        if turn.destination is not None:
            self._destinations.put(delivery.id, turn.destination)
        seconds = max(_SHORTEST, wait.seconds)
        if delivery.priority is not Priority.HIGH:
            seconds += self._random() * max(1.0, seconds / 4)
        left = (delivery.expires_at - self._clock()).total_seconds() - _LAST_CHANCE
        return replace(wait, seconds=min(seconds, max(_SHORTEST, left)))

    def still(self, delivery: Delivery, able: Callable[[], Sequence[str]]) -> Wait | None:
        """Return what a delivery waits for again, before it is prepared again.

        None: it did not wait for a destination in this process, or need not wait any more.
        """
        destination = self._destinations.get(delivery.id)
        if destination is None:
            return None
        self._destinations.drop(delivery.id)
        accounts, turn = able(), self.turn(delivery, destination)
        if not accounts or self.choose(delivery, accounts, turn) is not None:
            return None
        return self.wait(delivery, accounts, turn)
