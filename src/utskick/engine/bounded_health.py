"""The health check within its time: it answers even when the database does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from utskick.store.administration.storage_probe import StorageProbe

#: Seconds after which the answer is DOWN.
WITHIN: Final = 2.0


class BoundedHealth:
    """The state of all parts, DOWN where nothing can be stored.

    ``look``: the state of all parts where the database answers. ``parts``: further components by
    name, each None where there is nothing to report.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[dict[str, Any]]],
        probe: StorageProbe,
        parts: dict[str, Callable[[], dict[str, Any] | None]] | None = None,
    ) -> None:
        self._look = look
        self._probe = probe
        self._parts = parts or {}
        self._running: asyncio.Task[dict[str, Any]] | None = None

    async def look(self) -> dict[str, Any]:
        """Return the state within ``WITHIN``.

        What takes longer goes on, and the next call waits for it instead of beginning another.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._check())
        done, _ = await asyncio.wait({self._running}, timeout=WITHIN)
        found = self._running.result() if done else _down("no answer in time")
        for name, part in self._parts.items():
            if (state := part()) is not None:
                found = {**found, "components": {**found["components"], name: state}}
        return found

    async def _check(self) -> dict[str, Any]:
        reason = await self._probe.check()
        return _down(reason) if reason is not None else await self._look()


def _down(reason: str) -> dict[str, Any]:
    return {
        "status": "DOWN",
        "components": {"database": {"status": "DOWN", "reason": reason}},
    }
