"""Synchronous calls: wait for a message's settlement, by NOTIFY.

After every gap of the connection the database is queried once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from utskick.domain.status import Status
from utskick.store.database import PASSING, Database
from utskick.store.messages.attempts import SETTLEMENTS

#: Seconds between two queries: many messages settle in that time.
_PAUSE = 0.03


@dataclass(frozen=True, slots=True)
class AwaitedMessage:
    """A message that a synchronous call waits for."""

    batch_id: UUID
    rest: frozenset[Status]
    single: bool
    event: asyncio.Event


class SyncWaiters:
    """The waiting calls of a process, at most ``most``, on one listening connection.

    ``expect`` before the message is accepted, ``wait`` after it. A settlement names its message;
    whether the message has other pending deliveries is queried.
    """

    def __init__(self, database: Database, most: int = 1000) -> None:
        self._database = database
        self._most = most
        self._waiting = 0
        self._awaited: dict[UUID, AwaitedMessage] = {}
        self._listener: asyncio.Task[None] | None = None
        self._querying: asyncio.Task[None] | None = None
        self._stale = False

    def start(self) -> None:
        self._listener = asyncio.create_task(
            self._database.listen(SETTLEMENTS, self._on_notify, self._on_gap)
        )

    async def close(self) -> None:
        for task in (self._listener, self._querying):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def expect(
        self, batch_id: UUID, message_ids: Iterable[UUID], rest: frozenset[Status], *, single: bool
    ) -> None:
        """Register messages before they are accepted.

        ``rest``: the statuses in which a delivery is not waited for. ``single``: each message has
        one delivery, and no other follows.
        """
        for message_id in message_ids:
            self._awaited[message_id] = AwaitedMessage(batch_id, rest, single, asyncio.Event())

    @property
    def full(self) -> bool:
        """Whether a further call could not wait."""
        return self._waiting >= self._most

    async def wait(self, message_ids: Iterable[UUID], seconds: float) -> bool:
        """Return whether all were settled in time; False at once where ``most`` wait already."""
        if self.full:
            return False
        events = [self._awaited[m].event for m in message_ids]
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                for event in events:
                    await event.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    def forget(self, message_ids: Iterable[UUID]) -> None:
        for message_id in message_ids:
            self._awaited.pop(message_id, None)

    def _on_notify(self, payload: str) -> None:
        expected = self._awaited.get(UUID(payload))
        if expected is not None and expected.single:
            expected.event.set()
        elif expected is not None:
            self._on_gap()

    def _on_gap(self) -> None:
        """Query soon, once for all notifications that come meanwhile."""
        self._stale = True
        if self._querying is None or self._querying.done():
            self._querying = asyncio.create_task(self._query())

    async def _query(self) -> None:
        while self._stale:
            self._stale = False
            waiting = {m: e for m, e in self._awaited.items() if not e.event.is_set()}
            if not waiting:
                return
            with suppress(*PASSING):  # the connection is lost again: the next one will query
                rows = await self._database.pool.fetch(
                    """
                    SELECT message_id, array_agg(DISTINCT status) AS statuses FROM deliveries
                    WHERE batch_id = ANY($1::uuid[]) AND message_id = ANY($2::uuid[])
                    GROUP BY message_id
                    """,
                    list({e.batch_id for e in waiting.values()}),
                    list(waiting),
                )
                for row in rows:
                    expected = waiting[row["message_id"]]
                    if all(status in expected.rest for status in row["statuses"]):
                        expected.event.set()
            await asyncio.sleep(_PAUSE)
