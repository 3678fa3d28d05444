"""The limits of all provider accounts, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from utskick.domain.channel import Channel
from utskick.engine.breaker import CircuitBreaker
from utskick.engine.destinations import Turn
from utskick.engine.limits import AccountLimits, Changed


@dataclass(frozen=True, slots=True)
class Wait:
    """What a delivery waits for: an account, or a destination beyond it, and for how long.

    ``in_memory``: it may wait in this process; else it goes back to the queue.
    """

    channel: str
    account: str
    destination: str | None
    seconds: float
    in_memory: bool

    def names(self) -> dict[str, str]:
        """Return the key of the circuit, as jobs record it."""
        return {
            "channel": self.channel,
            "account": self.account,
            "destination": self.destination or "",
        }


class AccountLimitsMap(Mapping[tuple[str, str], AccountLimits]):
    """The limits of all accounts, by channel and account, as they come and go.

    ``changed``: called with channel, account, destination and breaker when a circuit changed.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        time: Callable[[], float],
        changed: Callable[[str, str, str | None, CircuitBreaker], None] | None = None,
    ) -> None:
        self._channels = channels
        self._time = time
        self._changed = changed
        self._limits: dict[tuple[str, str], AccountLimits] = {}
        self._workers = 1
        self.share(1)

    def __getitem__(self, key: tuple[str, str]) -> AccountLimits:
        """Return the limits of an account. Raises ``KeyError`` where there is none any more."""
        limits = self._limits.get(key)
        if limits is None:
            self.share(self._workers)
            limits = self._limits[key]
        return limits

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._limits)

    def __len__(self) -> int:
        return len(self._limits)

    def wait(self, channel: str, able: Sequence[str], turn: Turn) -> Wait:
        """Return what to wait for where all accounts are shut: the one that is probed soonest."""
        account = min(able, key=lambda name: self[channel, name].wait(turn))
        limits = self[channel, account]
        return Wait(channel, account, limits.blocks(turn), limits.wait(turn), limits.holds(turn))

    def share(self, workers: int) -> None:
        """Divide the limits of all present accounts among so many workers.

        Those of an account that is gone are kept: calls by it may be pending, and it may come back.
        """
        self._workers = workers
        for channel in self._channels.values():
            for account in channel.accounts:
                key = channel.name, account.name
                limits = self._limits.get(key)
                if limits is None:
                    limits = self._limits[key] = AccountLimits(
                        account, self._time, self._listener(*key)
                    )
                elif limits.account != account:
                    limits.renew(account)
                limits.share(workers)

    def _listener(self, channel: str, account: str) -> Changed | None:
        changed = self._changed
        if changed is None:
            return None
        return lambda destination, breaker: changed(channel, account, destination, breaker)
