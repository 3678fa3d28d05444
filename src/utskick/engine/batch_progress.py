"""Live progress: the counts of a batch, from one query that all of its listeners share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from utskick.domain.errors import NotFound, TooManyStreams, Unavailable
from utskick.domain.status import SETTLED, Status
from utskick.store.database import answering
from utskick.store.history.status import History

log = structlog.get_logger(__name__)

#: Queries that run at once in a process; the other connections are for the other calls.
_AT_ONCE: Final = 2

Counts = Mapping[Status, int]
Key = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """The result of the last query.

    ``away``: the database has not answered since then. ``over``: there will be no other query.
    """

    counts: Counts
    away: bool = False
    over: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def settled(self) -> int:
        """Deliveries that no longer move by themselves."""
        return sum(number for status, number in self.counts.items() if status in SETTLED)


@dataclass(frozen=True, slots=True)
class QueryInterval:
    """The interval between two queries.

    At least ``pause`` seconds, and ``times`` what the query took. ``away``: after a query that
    failed.
    """

    pause: float = 0.3
    times: float = 10.0
    away: float = 1.0


class BatchWatcher:
    """The progress of one batch.

    A listener holds nothing of its own: it reads ``seen``, and waits until it has ``changed``.
    """

    def __init__(
        self, key: Key, query: Callable[[], Awaitable[Counts]], interval: QueryInterval
    ) -> None:
        self.key = key
        self.listeners = 0
        self._query = query
        self._interval = interval
        self._first = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._seen = ProgressSnapshot({})
        self._change = asyncio.Event()

    @property
    def seen(self) -> ProgressSnapshot:
        return self._seen

    async def begin(self) -> None:
        """Make the first query, for the first listener. Raises ``NotFound`` or ``Unavailable``."""
        async with self._first:
            if self._task is not None:
                return
            started = time.monotonic()
            counts = await self._query()
            if not counts:
                raise NotFound(f"No batch found for batch id {self.key[1]}")
            self._seen = ProgressSnapshot(counts)
            # Without the context of the request that happened to be the first.
            self._task = asyncio.create_task(
                self._go_on(time.monotonic() - started), context=Context()
            )

    def end(self) -> None:
        """Stop, and notify the listeners."""
        if self._task is not None:
            self._task.cancel()
        self._publish(replace(self._seen, over=True))

    async def changed(self, since: ProgressSnapshot, within: float) -> bool:
        """Wait until ``seen`` differs from ``since``; False where it does not in that time."""
        try:
            async with asyncio.timeout(within):
                while self._seen == since:
                    await self._change.wait()
        except TimeoutError:
            return False
        return True

    async def _go_on(self, took: float) -> None:
        try:
            while not self._seen.over:
                await asyncio.sleep(
                    self._interval.away
                    if self._seen.away
                    else max(self._interval.pause, took * self._interval.times)
                )
                started = time.monotonic()
                try:
                    counts = await self._query()
                except Unavailable:
                    self._publish(replace(self._seen, away=True))
                    continue
                took = time.monotonic() - started
                # No counts: the batch has been deleted.
                ended = replace(self._seen, over=True)
                self._publish(ProgressSnapshot(counts) if counts else ended)
        except Exception:
            log.exception("progress-ended")
            self._publish(replace(self._seen, over=True))

    def _publish(self, seen: ProgressSnapshot) -> None:
        if seen != self._seen:
            self._seen = seen
            self._change.set()
            self._change = asyncio.Event()


class Progress:
    """The progress of all batches with listeners in this process, at most ``streams``."""

    def __init__(
        self, history: History, streams: int, interval: QueryInterval = QueryInterval()
    ) -> None:
        self._history = history
        self._streams = streams
        self._interval = interval
        self._watchers: dict[Key, BatchWatcher] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._closed = False
        self.listeners = 0

    async def join(self, municipality_id: str, batch_id: UUID) -> BatchWatcher:
        """Add a listener; ``leave`` must follow.

        Raises ``NotFound``, ``Unavailable``, or ``TooManyStreams``.
        """
        self._check()
        key = (municipality_id, batch_id)
        watcher = self._watchers.get(key)
        if watcher is None or watcher.seen.over:
            watcher = self._watchers[key] = BatchWatcher(
                key, partial(self._query, *key), self._interval
            )
        watcher.listeners += 1
        self.listeners += 1
        try:
            await watcher.begin()
            self._check_open()
        except BaseException:
            self.leave(watcher)
            raise
        return watcher

    def leave(self, watcher: BatchWatcher) -> None:
        """Remove a listener; the last one stops the queries."""
        self.listeners -= 1
        watcher.listeners -= 1
        if watcher.listeners == 0:
            watcher.end()
            if self._watchers.get(watcher.key) is watcher:
                del self._watchers[watcher.key]

    def close(self) -> None:
        """End every stream; no listener may join any more."""
        self._closed = True
        for watcher in self._watchers.values():
            watcher.end()

    def _check(self) -> None:
        self._check_open()
        if self.listeners >= self._streams:
            raise TooManyStreams(
                f"{self._streams} streams are open, the limit of this process (http.streams); "
                "retry later, or query the status",
                headers={"Retry-After": "10"},
            )

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(
                "the service is being stopped; come again", headers={"Retry-After": "2"}
            )

    async def _query(self, municipality_id: str, batch_id: UUID) -> Counts:
        async with self._gate, answering():
            return await self._history.counts(municipality_id, batch_id)
