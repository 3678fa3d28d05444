"""Deadline of what a request does in the database."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from types import TracebackType
from typing import Final

#: Seconds that each use of the database by this request may take; None: no limit (the command
#: line, workers).
LIMIT: Final[ContextVar[float | None]] = ContextVar("database_limit", default=None)

#: Seconds between two cancellations of a task that does not end.
_AGAIN: Final = 0.5


class Deadline:
    """An ``async with`` block that raises ``TimeoutError`` when it has lasted ``seconds``.

    ``asyncio.timeout`` cancels once. That is not enough here: a connection whose server does not
    answer is given back to its pool in a shielded call, which a first cancellation starts and only
    a second one leaves.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cancellations = 0

    async def __aenter__(self) -> None:
        if self._seconds is not None:
            self._task = asyncio.current_task()
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._cancel)

    def _cancel(self) -> None:
        assert self._task is not None
        self._cancellations += 1
        self._task.cancel()
        self._timer = asyncio.get_running_loop().call_later(_AGAIN, self._cancel)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is None or not self._cancellations:
            return
        others = 0
        for _ in range(self._cancellations):
            others = self._task.uncancel()
        if not others and (kind is None or not issubclass(kind, Exception)):
            raise TimeoutError from fault
