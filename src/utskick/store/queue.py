"""The queue as rows: PgQueuer's table, written in the transactions of the store.

PgQueuer provides the schema and the heartbeat. Jobs are added, claimed and removed here: they must
be written in the same transaction as the delivery they stand for, and a claim must cost the same
however many wait (docs/explanation/adr/0002).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.types import JobId, QueueManagerId

from utskick.domain.channel import Priority
from utskick.domain.message import lane_of

#: NOTIFY channel; the payload is the lane that has new work.
WORK = "utskick_work"

_LEVEL = {Priority.HIGH: 20, Priority.NORMAL: 10, Priority.BULK: 0}


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job: its delivery, and the lane it came from."""

    id: int
    lane: str
    municipality_id: str
    delivery_id: UUID


def level(priority: Priority) -> int:
    return _LEVEL[priority]


def payload(municipality_id: str, delivery_id: UUID) -> bytes:
    return delivery_id.bytes + municipality_id.encode()


class Jobs:
    """Claims, heartbeats and the return of jobs."""

    def __init__(self, pool: asyncpg.Pool, worker_id: UUID) -> None:
        self._pool = pool
        self._queries = Queries(AsyncpgPoolDriver(pool))
        self._worker = QueueManagerId(worker_id)

    async def claim(self, lanes: Sequence[str], count: int, patience: timedelta) -> list[Job]:
        """Claim up to ``count`` due jobs of these lanes, most urgent first.

        Also those whose worker has been silent for ``patience``. A server that was down heard
        nobody meanwhile: it counts from its start.
        """
        rows = await self._pool.fetch(
            """
            WITH due AS (
                SELECT q.id, q.priority, q.execute_after FROM unnest($1::text[]) AS l(lane)
                CROSS JOIN LATERAL (
                    SELECT id, priority, execute_after FROM pgqueuer
                    WHERE entrypoint = l.lane AND status = 'queued' AND execute_after <= now()
                    ORDER BY execute_after, id LIMIT $2 FOR UPDATE SKIP LOCKED) q),
            silent AS (
                SELECT id, priority, execute_after FROM pgqueuer
                WHERE status = 'picked' AND entrypoint = ANY($1)
                    AND heartbeat < now() - $4::interval
                    AND pg_postmaster_start_time() < now() - $4::interval
                ORDER BY priority DESC, id LIMIT $2 FOR UPDATE SKIP LOCKED),
            chosen AS (SELECT id FROM (TABLE due UNION ALL TABLE silent) f
                ORDER BY priority DESC, execute_after, id LIMIT $2),
            picked AS (
                UPDATE pgqueuer SET status = 'picked', heartbeat = now(),
                    queue_manager_id = $3 WHERE id = ANY(ARRAY(SELECT id FROM chosen))
                RETURNING id, entrypoint, payload, priority, execute_after)
            SELECT id, entrypoint, payload FROM picked ORDER BY priority DESC, execute_after, id
            """,
            lanes,
            count,
            self._worker,
            patience,
        )
        return [
            Job(id_, lane, found[16:].decode(), UUID(bytes=found[:16])) for id_, lane, found in rows
        ]

    async def beat(self, ids: Sequence[int]) -> None:
        if ids:
            await self._queries.update_heartbeat([JobId(i) for i in ids])

    async def give_back(
        self,
        ids: Sequence[int],
        delay: timedelta = timedelta(0),
        waits: Mapping[str, str] | None = None,
    ) -> None:
        """Return claimed jobs after a delay, for any worker to claim.

        ``waits``: channel, account and destination that they wait for, for the status of their
        deliveries.
        """
        await self._pool.execute(
            """
            WITH back AS (
                UPDATE pgqueuer SET status = 'queued', queue_manager_id = NULL,
                    execute_after = now() + $3, headers = $4
                WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2 RETURNING entrypoint)
            SELECT pg_notify('utskick_work', lane) FROM (SELECT DISTINCT entrypoint AS lane
                FROM back) l
            """,
            ids,
            self._worker,
            delay,
            waits,
        )

    async def finish(self, ids: Sequence[int]) -> None:
        """Remove jobs, unless another worker has claimed them since: it may be sending now."""
        await self._pool.execute(
            "DELETE FROM pgqueuer WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2",
            ids,
            self._worker,
        )


async def enqueue(
    connection: Any, rows: Sequence[tuple[str, Priority, str, UUID, datetime]]
) -> None:
    """Add jobs (channel, priority, municipality, delivery, due) inside the caller's transaction."""
    await connection.execute(
        """
        WITH added AS (
            INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
            SELECT r.priority, r.lane, r.payload, r.due, 'queued'
            FROM unnest($1::int[], $2::text[], $3::bytea[], $4::timestamptz[]) AS r(priority, lane,
                payload, due)
            RETURNING entrypoint)
        SELECT pg_notify('utskick_work', lane) FROM (SELECT DISTINCT entrypoint AS lane
            FROM added) l
        """,
        [level(p) for _, p, _, _, _ in rows],
        [lane_of(c, p) for c, p, _, _, _ in rows],
        [payload(m, d) for _, _, m, d, _ in rows],
        [due for *_, due in rows],
    )


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs wait: those that are due, and those that were deferred, given back or planned.

    ``age``: seconds that the oldest due one has been due.
    """

    due: int
    later: int
    age: float


async def depth(pool: asyncpg.Pool) -> Depth:
    """Return how many jobs wait."""
    row = await pool.fetchrow(
        """
        SELECT count(*) AS waiting, count(*) FILTER (WHERE execute_after <= now()) AS due,
            greatest(0, coalesce(extract(epoch FROM now() - min(execute_after)), 0)) AS age
        FROM pgqueuer WHERE status = 'queued'
        """
    )
    assert row is not None
    return Depth(int(row["due"]), int(row["waiting"]) - int(row["due"]), float(row["age"]))
