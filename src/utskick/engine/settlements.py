"""Waiting for a delivery's settlement: synchronous calls, told by NOTIFY, with one look at the database after every gap."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from utskick.domain.status import SETTLED
from utskick.store.database import PASSING, Database
from utskick.store.deliveries import SETTLEMENTS


class Settlements:
    """One listening connection for the process; ``expect`` before the message is accepted, ``wait`` after."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._awaited: dict[UUID, asyncio.Event] = {}
        self._listener: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._listener = asyncio.create_task(self._database.listen(SETTLEMENTS, self._hear, self._missed))

    async def close(self) -> None:
        for task in (self._listener, *self._looks):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def expect(self, delivery_ids: Iterable[UUID]) -> None:
        for delivery_id in delivery_ids:
            self._awaited[delivery_id] = asyncio.Event()

    async def wait(self, delivery_ids: Iterable[UUID], seconds: float) -> bool:
        """Whether all of them were settled in time."""
        events = [self._awaited[d] for d in delivery_ids]
        try:
            async with asyncio.timeout(seconds):
                for event in events:
                    await event.wait()
        except TimeoutError:
            return False
        return True

    def forget(self, delivery_ids: Iterable[UUID]) -> None:
        for delivery_id in delivery_ids:
            self._awaited.pop(delivery_id, None)

    def _hear(self, payload: str) -> None:
        if (event := self._awaited.get(UUID(payload))) is not None:
            event.set()

    def _missed(self) -> None:
        look = asyncio.create_task(self._look())
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)

    async def _look(self) -> None:
        if not self._awaited:
            return
        with suppress(*PASSING):  # the connection is lost again: the next one will look
            rows = await self._database.pool.fetch(
                "SELECT id FROM deliveries WHERE id = ANY($1::uuid[]) AND status = ANY($2::text[])",
                list(self._awaited),
                [s.value for s in SETTLED],
            )
            for row in rows:
                self._hear(str(row["id"]))
