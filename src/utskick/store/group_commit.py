"""Group commit: what many tasks write at the same time goes into one transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_EAGER = 8


class GroupCommit(Generic[T, R]):
    """Groups items; ``put`` returns when the item is committed.

    While one group is being written the next one gathers; there is no timer. ``write`` gets the
    items of a group and returns a result for each, in order. If it fails with a fault of the data
    (``split``, less ``whole``), the items are written one by one, so that one bad item does not
    fail its neighbours; every other fault fails the whole group. ``writers``: how many groups may
    be written at once. A further one starts only when ``_EAGER`` items wait, so that groups stay
    groups.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        limit: int = 256,
        writers: int = 1,
        split: tuple[type[BaseException], ...] = (),
        whole: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._write = write
        self._limit = limit
        self._split = split
        self._whole = whole
        self._writers = writers
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def put(self, item: T) -> R:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        running = len(self._running)
        if not running or (running < self._writers and len(self._waiting) >= _EAGER):
            writer = asyncio.create_task(self._drain())
            self._running.add(writer)
            writer.add_done_callback(self._running.discard)
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._write_group(
                    [self._waiting.popleft() for _ in range(min(len(self._waiting), self._limit))]
                )
        finally:
            # Here, and not only in the callback: a task that the last group resumes puts the next
            # item before callbacks run.
            self._running -= {asyncio.current_task()}

    async def _write_group(self, group: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            await self._commit(group)
        except BaseException as fault:  # the writer is ending: no task may wait for it for ever
            for _, future in group:
                if not future.done():
                    future.set_exception(
                        fault if isinstance(fault, Exception) else asyncio.CancelledError()
                    )
            if not isinstance(fault, Exception):
                raise

    async def _commit(self, group: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._write([item for item, _ in group])
        except self._split as fault:
            if len(group) == 1 or isinstance(fault, self._whole):
                raise
            for single in group:
                try:
                    await self._commit([single])
                except Exception as own:  # noqa: BLE001
                    if not single[1].done():
                        single[1].set_exception(own)
            return
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)
