"""Many who wait for one thing each, and few calls that ask for many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from utskick.domain.outcome import Outcome

V = TypeVar("V")

#: What one call may ask for (Recipient.xsd v3, isReachable; and the directory's own limit).
MOST: Final = 1000
#: Seconds that the first of a group waits for others.
PAUSE: Final = 0.01


class Groups(Generic[V]):
    """``ask`` answers for a group of at most ``most`` keys, or says why it cannot. Whoever asks the
    same shares the answer."""

    def __init__(
        self, ask: Callable[[Sequence[str]], Awaitable[Mapping[str, V] | Outcome]], most: int = MOST
    ) -> None:
        self._ask = ask
        self._most = most
        self._waiting: dict[str, asyncio.Future[V | Outcome | None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> V | Outcome | None:
        """None: the answer has nothing of this key."""
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._waiting[key] = loop.create_future()
            if len(self._waiting) >= self._most:
                self._depart()
            elif self._timer is None:
                self._timer = loop.call_later(PAUSE, self._depart)
        return await asyncio.shield(future)

    def _depart(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group, self._waiting = self._waiting, {}
        call = asyncio.create_task(self._settle(group))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _settle(self, group: Mapping[str, asyncio.Future[V | Outcome | None]]) -> None:
        try:
            found = await self._ask(list(group))
        except BaseException as fault:
            for future in group.values():
                if not future.done():
                    future.set_exception(
                        fault if isinstance(fault, Exception) else asyncio.CancelledError()
                    )
                    future.exception()  # looked at, even where nobody waits any more
            if isinstance(fault, Exception):
                return
            raise
        for key, future in group.items():
            if not future.done():
                future.set_result(found.get(key) if isinstance(found, Mapping) else found)

    async def close(self) -> None:
        for call in tuple(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
