"""Rate limit, concurrency limit and circuit breaker of one provider account, in this process."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from utskick.domain.channel import Account, Channel, Priority
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain

_LEVEL = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.BULK: 2}

#: Consecutive attempts without a usable answer after which the circuit opens.
_PATIENCE = 8
#: Consecutive uncertain attempts: fewer, since each of them may or may not have reached a citizen.
_DOUBTS = 4
#: Seconds: the first pause of the breaker, doubling to the longest.
_PAUSE, _LONGEST = 5.0, 120.0


class AccountLimits:
    """The limits of an account: slots in the order of priority, never all of them for bulk.

    Slots are spaced by the rate, and refused while the circuit is open. ``time``: a monotonic clock
    in seconds.
    """

    def __init__(self, account: Account, time: Callable[[], float]) -> None:
        self.account = account
        self._time = time
        self._limit = account.concurrency
        self._rate = account.rate
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._running = 0
        self._bulk = 0
        self._next_free = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._misses = 0
        self._doubts = 0
        self._throttled = 0
        self._shut_until = 0.0
        self._probing = False

    def renew(self, account: Account) -> None:
        """Set changed limits; the state of the breaker stays. ``share`` must follow."""
        self.account = account

    def share(self, workers: int) -> None:
        """Divide the account's limits among so many workers."""
        self._limit = max(1, self.account.concurrency // max(1, workers))
        self._rate = self.account.rate / max(1, workers) if self.account.rate else None

    # -- the breaker ----------------------------------------

    @property
    def shut(self) -> bool:
        """Whether the circuit is open. After the pause, one attempt at a time probes it."""
        if self._shut_until == 0.0:
            return False
        return self._time() < self._shut_until or self._probing

    @property
    def opens_in(self) -> float:
        """Seconds until an open circuit may be probed."""
        return max(0.0, self._shut_until - self._time()) if self._shut_until else 0.0

    def note(self, outcome: Outcome) -> None:
        """Record an outcome. A refused recipient is a success of the provider."""
        match outcome:
            case Sent() | Rejected():
                self._misses = self._doubts = self._throttled = 0
                self._shut_until = 0.0
            case Deferred(reason, retry_after) if reason.code == "throttled":
                self._throttled += 1
                if self._throttled >= 3 and retry_after is not None:
                    self._shut_until = max(
                        self._shut_until, self._time() + retry_after.total_seconds()
                    )
            case Uncertain():
                self._doubts += 1
                self._misses += 1
            case Deferred() | Misconfigured():
                self._misses += 1
        if self._misses >= _PATIENCE or self._doubts >= _DOUBTS:
            excess = max(self._misses - _PATIENCE, self._doubts - _DOUBTS, 0)
            self._shut_until = self._time() + min(_LONGEST, _PAUSE * 2 ** min(excess, 10))

    # -- the slots ----------------------------------------

    def slot(self, priority: Priority) -> Slot:
        """Wait for a slot. False: the circuit opened meanwhile; nothing may be sent now."""
        return Slot(self, _LEVEL[priority])

    def probe(self, *, begun: bool) -> None:
        """Let one attempt probe an account whose circuit is open; the others wait for it."""
        self._probing = begun

    @property
    def on_trial(self) -> bool:
        return self._shut_until > 0

    async def enter(self, level: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (level, next(self._order), turn))
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # granted and cancelled in the same moment
                self.leave(level)
            raise

    def leave(self, level: int) -> None:
        self._running -= 1
        self._bulk -= level == _LEVEL[Priority.BULK]
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._running < self._limit:
            level, _, turn = self._waiting[0]
            if turn.done():
                heapq.heappop(self._waiting)
                continue
            if level == _LEVEL[Priority.BULK] and self._bulk >= self._bulk_limit:
                return
            if self._rate and not self._due():
                return
            heapq.heappop(self._waiting)
            self._running += 1
            self._bulk += level == _LEVEL[Priority.BULK]
            turn.set_result(None)

    @property
    def _bulk_limit(self) -> int:
        return self._limit - max(1, self._limit // 5) if self._limit > 1 else 1

    def _due(self) -> bool:
        """Return whether the rate allows one more now; if not, a timer tries again."""
        assert self._rate
        now = self._time()
        if now < self._next_free:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(
                    self._next_free - now, self._tick
                )
            return False
        self._next_free = max(now, self._next_free) + 1 / self._rate
        return True

    def _tick(self) -> None:
        self._timer = None
        self._grant()


class Slot:
    """A slot from the moment it is granted until it is left.

    A class, because a generator costs more than the rest of it.
    """

    __slots__ = ("_level", "_limits", "_probes")

    def __init__(self, limits: AccountLimits, level: int) -> None:
        self._limits = limits
        self._level = level
        self._probes = False

    async def __aenter__(self) -> bool:
        await self._limits.enter(self._level)
        admitted = not self._limits.shut
        if admitted and self._limits.on_trial:
            self._probes = True
            self._limits.probe(begun=True)
        return admitted

    async def __aexit__(self, *_: object) -> None:
        if self._probes:
            self._limits.probe(begun=False)
        self._limits.leave(self._level)


class AccountLimitsMap(Mapping[tuple[str, str], AccountLimits]):
    """The limits of all accounts, by channel and account, as they come and go."""

    def __init__(self, channels: Mapping[str, Channel], time: Callable[[], float]) -> None:
        self._channels = channels
        self._time = time
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

    def share(self, workers: int) -> None:
        """Divide the limits of all present accounts among so many workers.

        Those of an account that is gone are kept: calls by it may be pending, and it may come back.
        """
        self._workers = workers
        for channel in self._channels.values():
            for account in channel.accounts:
                limits = self._limits.get((channel.name, account.name))
                if limits is None:
                    limits = self._limits[channel.name, account.name] = AccountLimits(
                        account, self._time
                    )
                elif limits.account != account:
                    limits.renew(account)
                limits.share(workers)
