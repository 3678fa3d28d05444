"""Live progress: who listens to a batch hears its counts, from one look at the database that all of
its listeners share."""

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

#: Looks that run at once in a process, whatever is listened to: the rest of the connections is for
#: the other calls.
_AT_ONCE: Final = 2

Counts = Mapping[Status, int]
Key = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last look found. ``away``: the database did not answer since then. ``over``: nobody
    will look again."""

    counts: Counts
    away: bool = False
    over: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def settled(self) -> int:
        """Deliveries that no longer move of themselves."""
        return sum(number for status, number in self.counts.items() if status in SETTLED)


@dataclass(frozen=True, slots=True)
class Tempo:
    """Between two looks: at least ``pause`` seconds, and ``times`` what the look took. ``away``:
    after a look that failed."""

    pause: float = 0.3
    times: float = 10.0
    away: float = 1.0


class Watch:
    """One batch. A listener holds nothing of its own: it reads ``seen``, and waits until it has
    ``turned``."""

    def __init__(self, key: Key, look: Callable[[], Awaitable[Counts]], tempo: Tempo) -> None:
        self.key = key
        self.listeners = 0
        self._look = look
        self._tempo = tempo
        self._first = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._seen = Seen({})
        self._turned = asyncio.Event()

    @property
    def seen(self) -> Seen:
        return self._seen

    async def begin(self) -> None:
        """The first look, made by the first listener. Raises ``NotFound`` or ``Unavailable``."""
        async with self._first:
            if self._task is not None:
                return
            began = time.monotonic()
            counts = await self._look()
            if not counts:
                raise NotFound(f"No batch found for batch id {self.key[1]}")
            self._seen = Seen(counts)
            # Without the context of the request that happened to be the first.
            self._task = asyncio.create_task(
                self._go_on(time.monotonic() - began), context=Context()
            )

    def end(self) -> None:
        """Listeners are told that it is over."""
        if self._task is not None:
            self._task.cancel()
        self._tell(replace(self._seen, over=True))

    async def turned(self, since: Seen, within: float) -> bool:
        """Waits until ``seen`` is another than ``since``; False where it is not after so many
        seconds."""
        try:
            async with asyncio.timeout(within):
                while self._seen == since:
                    await self._turned.wait()
        except TimeoutError:
            return False
        return True

    async def _go_on(self, took: float) -> None:
        try:
            while not self._seen.over:
                await asyncio.sleep(
                    self._tempo.away
                    if self._seen.away
                    else max(self._tempo.pause, took * self._tempo.times)
                )
                began = time.monotonic()
                try:
                    counts = await self._look()
                except Unavailable:
                    self._tell(replace(self._seen, away=True))
                    continue
                took = time.monotonic() - began
                self._tell(
                    Seen(counts) if counts else replace(self._seen, over=True)
                )  # no counts: the batch has been deleted
        except Exception:
            log.exception("progress-ended")
            self._tell(replace(self._seen, over=True))

    def _tell(self, seen: Seen) -> None:
        if seen != self._seen:
            self._seen = seen
            self._turned.set()
            self._turned = asyncio.Event()


class Progress:
    """All batches that somebody listens to in this process, by at most ``streams`` listeners."""

    def __init__(self, history: History, streams: int, tempo: Tempo = Tempo()) -> None:
        self._history = history
        self._streams = streams
        self._tempo = tempo
        self._watches: dict[Key, Watch] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._closed = False
        self.listeners = 0

    async def join(self, municipality_id: str, batch_id: UUID) -> Watch:
        """``leave`` must follow. Raises ``NotFound``, ``Unavailable``, or ``TooManyStreams``."""
        self._check()
        key = (municipality_id, batch_id)
        watch = self._watches.get(key)
        if watch is None or watch.seen.over:
            watch = self._watches[key] = Watch(key, partial(self._look, *key), self._tempo)
        watch.listeners += 1
        self.listeners += 1
        try:
            await watch.begin()
            self._check_open()
        except BaseException:
            self.leave(watch)
            raise
        return watch

    def leave(self, watch: Watch) -> None:
        """The last one to leave ends the looking."""
        self.listeners -= 1
        watch.listeners -= 1
        if watch.listeners == 0:
            watch.end()
            if self._watches.get(watch.key) is watch:
                del self._watches[watch.key]

    def close(self) -> None:
        """Every stream ends now; nobody may join any more."""
        self._closed = True
        for watch in self._watches.values():
            watch.end()

    def _check(self) -> None:
        self._check_open()
        if self.listeners >= self._streams:
            told = f"{self._streams} streams are open, the most at a time (http.streams); come again, or ask for the status"
            raise TooManyStreams(told, headers={"Retry-After": "10"})

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(
                "the service is being stopped; come again", headers={"Retry-After": "2"}
            )

    async def _look(self, municipality_id: str, batch_id: UUID) -> Counts:
        async with self._gate, answering():
            return await self._history.counts(municipality_id, batch_id)
