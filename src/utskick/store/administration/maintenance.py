"""Statements of maintenance: workers, lost jobs, and what has expired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from utskick.domain.channel import Priority
from utskick.domain.ids import first_id_at
from utskick.domain.status import PENDING
from utskick.store import queue as jobs
from utskick.store.database import Database
from utskick.store.transitions import listed


class MaintenanceRows:
    """Writer for maintenance. Each method is one transaction; all may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sign_on(
        self, worker_id: UUID, host: str, pid: int, channels: Sequence[str], now: datetime
    ) -> None:
        await self._database.pool.execute(
            """
            INSERT INTO workers (id, host, pid, channels, started_at, seen_at)
                VALUES ($1, $2, $3, $4, $5, $5)
            ON CONFLICT (id) DO UPDATE SET seen_at = $5
            """,
            worker_id,
            host,
            pid,
            list(channels),
            now,
        )

    async def report(self, worker_id: UUID, health: Mapping[str, Any]) -> None:
        """Store what a worker found of its provider accounts."""
        await self._database.pool.execute(
            "UPDATE workers SET health = $2::text::jsonb WHERE id = $1",
            worker_id,
            orjson.dumps(health).decode(),
        )

    async def health(self, since: datetime) -> list[dict[str, Any]]:
        """Return what each worker that was seen since has found of its provider accounts."""
        rows = await self._database.pool.fetch(
            "SELECT health::text FROM workers WHERE seen_at >= $1 AND health IS NOT NULL"
            " ORDER BY id",
            since,
        )
        return [orjson.loads(row["health"]) for row in rows]

    async def sign_off(self, worker_id: UUID) -> None:
        await self._database.pool.execute("DELETE FROM workers WHERE id = $1", worker_id)

    async def workers(self, since: datetime) -> int:
        """Return how many workers were seen since; those not seen for a day are removed."""
        await self._database.pool.execute(
            "DELETE FROM workers WHERE seen_at < $1", since - timedelta(days=1)
        )
        return int(
            await self._database.pool.fetchval(
                "SELECT count(*) FROM workers WHERE seen_at >= $1", since
            )
        )

    async def rescue(self, oldest: datetime, now: datetime, limit: int = 1000) -> int:
        """Enqueue pending deliveries that have no job.

        Returns how many; more than 0 is a bug. ``oldest``: how far back to search, by the time in
        the ids.
        """
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                f"""
                WITH lost AS (
                    SELECT uuid_send(d.id) || convert_to(d.municipality_id, 'UTF8') AS payload
                    FROM deliveries d
                    WHERE d.id >= $1 AND d.status IN {listed(PENDING)}
                        AND d.updated_at < $2
                    EXCEPT SELECT payload FROM pgqueuer)
                SELECT d.id, d.municipality_id, d.channel, d.priority FROM deliveries d
                WHERE d.id = ANY(ARRAY(
                        SELECT encode(substring(payload FROM 1 FOR 16), 'hex')::uuid FROM lost
                        ORDER BY payload LIMIT $3))
                    AND d.status IN {listed(PENDING)} AND d.updated_at < $2
                ORDER BY d.id FOR UPDATE OF d SKIP LOCKED
                """,  # noqa: S608
                first_id_at(oldest),
                now - timedelta(minutes=10),
                limit,
            )
            if rows:
                await jobs.enqueue(
                    connection,
                    [
                        (r["channel"], Priority(r["priority"]), r["municipality_id"], r["id"], now)
                        for r in rows
                    ],
                )
            return len(rows)
