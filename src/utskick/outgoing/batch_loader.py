"""Batch loader: combines concurrent lookups of single keys into few calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from utskick.domain.outcome import Concern, Outcome

V = TypeVar("V")

#: Maximum keys of a call (Recipient.xsd v3, isReachable; and the directory's own limit).
MOST: Final = 1000
#: Seconds that the first key of a batch waits for others.
PAUSE: Final = 0.01
#: Calls for one batch, in which the keys that make it fail are searched, and how many of them may
#: fail before one succeeds.
MOST_CALLS: Final = 128
FUTILE: Final = 10


class BatchLoader(Generic[V]):
    """Loads values by key in batches of at most ``most``; equal keys share a result.

    ``load``: returns the values of a batch of keys, or the outcome of its failure. If that concerns
    a recipient, one of the keys may have caused it.
    """

    def __init__(
        self,
        load: Callable[[Sequence[str]], Awaitable[Mapping[str, V] | Outcome]],
        most: int = MOST,
    ) -> None:
        self._load = load
        self._most = most
        self._waiting: dict[str, asyncio.Future[V | Outcome | None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> V | Outcome | None:
        """Return the value, None if the batch has no value of this key, or the failure."""
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._waiting[key] = loop.create_future()
            if len(self._waiting) >= self._most:
                self._flush()
            elif self._timer is None:
                self._timer = loop.call_later(PAUSE, self._flush)
        return await asyncio.shield(future)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, {}
        call = asyncio.create_task(self._resolve(batch))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _resolve(self, batch: Mapping[str, asyncio.Future[V | Outcome | None]]) -> None:
        try:
            await self._load_all(batch)
        except BaseException as fault:
            for future in batch.values():
                if not future.done():
                    future.set_exception(
                        fault if isinstance(fault, Exception) else asyncio.CancelledError()
                    )
                    future.exception()  # mark as retrieved, as its waiter may be gone
            if isinstance(fault, Exception):
                return
            raise

    async def _load_all(self, batch: Mapping[str, asyncio.Future[V | Outcome | None]]) -> None:
        """Load a batch. One that fails because of a key is halved until that key is found.

        The others get their values meanwhile. A service that fails whatever it is asked is not
        asked for long.
        """
        pending, calls, failures = [list(batch)], 0, 0
        while pending:
            keys = pending.pop()
            values = await self._load(keys)
            calls += 1
            if isinstance(values, Mapping):
                failures = -MOST_CALLS
            elif len(keys) > 1 and _is_of_a_key(values):
                failures += 1
                if failures < FUTILE and calls < MOST_CALLS:
                    middle = len(keys) // 2
                    pending += [keys[middle:], keys[:middle]]
                    continue
                keys = [*keys, *(key for part in pending for key in part)]
                pending = []
            for key in keys:
                if not batch[key].done():
                    batch[key].set_result(
                        values.get(key) if isinstance(values, Mapping) else values
                    )

    async def close(self) -> None:
        for call in tuple(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)


def _is_of_a_key(outcome: Outcome) -> bool:
    return getattr(outcome, "concerns", None) is Concern.RECIPIENT
