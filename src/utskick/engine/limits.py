"""Rate, concurrency and breaker of one provider account, in this process."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from utskick.domain.channel import Account, Channel, Priority
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent, Uncertain

_LEVEL = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.BULK: 2}

#: Consecutive attempts without a usable answer after which the account is left alone for a while.
_PATIENCE = 8
#: Consecutive uncertain attempts: fewer, since each of them is a citizen of whom we know nothing.
_DOUBTS = 4
#: Seconds: the first pause of the breaker, doubling to the longest.
_PAUSE, _LONGEST = 5.0, 120.0


class AccountLimits:
    """Slots in the order of priority, never all of them for bulk; spaced by the rate; shut while
    the provider is ill.

    ``time`` is a monotonic clock in seconds.
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
        """Its limits have been changed; what was learned of the provider stays. ``share`` must
        follow."""
        self.account = account

    def share(self, workers: int) -> None:
        """Divide the account's limits among so many workers."""
        self._limit = max(1, self.account.concurrency // max(1, workers))
        self._rate = self.account.rate / max(1, workers) if self.account.rate else None

    # -- the breaker ----------------------------------------

    @property
    def shut(self) -> bool:
        """Leave this account alone for now. Once the pause is over, one attempt at a time finds out
        how it is."""
        if self._shut_until == 0.0:
            return False
        return self._time() < self._shut_until or self._probing

    @property
    def opens_in(self) -> float:
        """Seconds until a shut account may be tried."""
        return max(0.0, self._shut_until - self._time()) if self._shut_until else 0.0

    def note(self, outcome: Outcome) -> None:
        """Learn from an outcome. A refused recipient is an answer like any other: the provider is
        well."""
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
        """False: the account was shut while we waited for our turn; nothing may be sent through it
        now."""
        return Slot(self, _LEVEL[priority])

    def probe(self, *, begun: bool) -> None:
        """One attempt finds out how a shut account is; the others wait for it."""
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
        """Whether the rate allows one more now; if not, the clock will ask again."""
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
    """A slot from the moment it is granted until it is left; a class, because a generator costs
    more than the rest of it."""

    __slots__ = ("_level", "_pace", "_probes")

    def __init__(self, pace: AccountLimits, level: int) -> None:
        self._pace = pace
        self._level = level
        self._probes = False

    async def __aenter__(self) -> bool:
        await self._pace.enter(self._level)
        admitted = not self._pace.shut
        if admitted and self._pace.on_trial:
            self._probes = True
            self._pace.probe(begun=True)
        return admitted

    async def __aexit__(self, *_: object) -> None:
        if self._probes:
            self._pace.probe(begun=False)
        self._pace.leave(self._level)


class AccountLimitsMap(Mapping[tuple[str, str], AccountLimits]):
    """By channel and account: of all accounts that the channels have, as they come and go."""

    def __init__(self, channels: Mapping[str, Channel], time: Callable[[], float]) -> None:
        self._channels = channels
        self._time = time
        self._paces: dict[tuple[str, str], AccountLimits] = {}
        self._workers = 1
        self.share(1)

    def __getitem__(self, key: tuple[str, str]) -> AccountLimits:
        """Raises ``KeyError`` where there is no such account any more."""
        pace = self._paces.get(key)
        if pace is None:
            self.share(self._workers)
            pace = self._paces[key]
        return pace

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._paces)

    def __len__(self) -> int:
        return len(self._paces)

    def share(self, workers: int) -> None:
        """Divide the limits of all accounts that there are now among so many workers.

        The pace of an account that is gone is kept: calls by it may be under way, and it may come
        back.
        """
        self._workers = workers
        for channel in self._channels.values():
            for account in channel.accounts:
                pace = self._paces.get((channel.name, account.name))
                if pace is None:
                    pace = self._paces[channel.name, account.name] = AccountLimits(
                        account, self._time
                    )
                elif pace.account != account:
                    pace.renew(account)
                pace.share(workers)
