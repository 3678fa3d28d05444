"""Open circuit breakers, as all processes see them, and the deliveries that wait for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from utskick.domain.outcome import Reason
from utskick.store.database import Database
from utskick.store.queue import payload


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """A provider account, or a destination beyond it, that no attempts are made to for now.

    ``since``: when it opened first. ``retry_at``: when it is, or was, tried again.
    """

    channel: str
    account: str
    destination: str | None
    since: datetime
    retry_at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class CircuitEvent:
    """A circuit opened or closed. ``code``: of the reason why it opened."""

    at: datetime
    channel: str
    account: str
    destination: str | None
    opened: bool
    code: str


class Circuits:
    """Reader and writer of open circuits. Rows of a worker that died expire after 20 s."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(
        self,
        worker_id: UUID,
        circuits: Sequence[OpenCircuit],
        events: Sequence[CircuitEvent] = (),
    ) -> None:
        """Replace the open circuits of a worker, and add what happened."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "DELETE FROM circuits WHERE worker_id = $1 OR seen_at < now() - interval '1 hour'",
                worker_id,
            )
            await connection.executemany(
                """
                INSERT INTO circuits (worker_id, channel, account, destination, since, retry_at,
                    reason_code, reason, provider_code)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                """,
                [
                    (
                        worker_id,
                        each.channel,
                        each.account,
                        each.destination or "",
                        each.since,
                        each.retry_at,
                        each.reason.code,
                        each.reason.sentence,
                        each.reason.provider_code,
                    )
                    for each in circuits
                ],
            )

            await connection.executemany(
                """
                INSERT INTO circuit_events (worker_id, at, channel, account, destination, opened,
                    reason_code)
                VALUES ($1, $2, $3, $4, $5, $6, $7)
                """,
                [
                    (worker_id, e.at, e.channel, e.account, e.destination or "", e.opened, e.code)
                    for e in events
                ],
            )
            await connection.execute(
                "DELETE FROM circuit_events WHERE at < now() - interval '30 days'"
            )

    async def recent(self, count: int) -> list[CircuitEvent]:
        """Return the newest openings and closings of the last day."""
        rows = await self._database.pool.fetch(
            """
            SELECT at, channel, account, destination, opened, reason_code FROM circuit_events
            WHERE at > now() - interval '1 day' ORDER BY at DESC LIMIT $1
            """,
            count,
        )
        return [
            CircuitEvent(at, channel, account, destination or None, opened, code)
            for at, channel, account, destination, opened, code in rows
        ]

    async def renew(self, worker_id: UUID) -> None:
        """Keep the circuits of a worker that lives."""
        await self._database.pool.execute(
            "UPDATE circuits SET seen_at = now() WHERE worker_id = $1", worker_id
        )

    async def open(self) -> list[OpenCircuit]:
        """Return the open circuits of all living workers; one for each account and destination."""
        rows = await self._database.pool.fetch(
            """
            SELECT channel, account, destination, min(since) AS since, min(retry_at) AS retry_at,
                min(reason_code) AS reason_code, min(reason) AS reason,
                min(provider_code) AS provider_code
            FROM circuits WHERE seen_at > now() - interval '20 s'
            GROUP BY channel, account, destination ORDER BY channel, account, destination
            """
        )
        return [_circuit(row) for row in rows]

    async def waits(self, municipality_id: str, delivery_id: UUID) -> OpenCircuit | None:
        """Return the open circuit that a delivery's job was given back for, if it is still open."""
        waits = await self._database.of(municipality_id).fetchval(
            "SELECT headers FROM pgqueuer WHERE payload = $1 AND headers IS NOT NULL LIMIT 1",
            payload(municipality_id, delivery_id),
        )
        if not waits:
            return None
        row = await self._database.pool.fetchrow(
            """
            SELECT * FROM circuits WHERE channel = $1 AND account = $2 AND destination = $3
                AND seen_at > now() - interval '20 s'
            ORDER BY since LIMIT 1
            """,
            *(waits.get(name, "") for name in ("channel", "account", "destination")),
        )
        return _circuit(row) if row else None


def _circuit(row: Any) -> OpenCircuit:
    return OpenCircuit(
        row["channel"],
        row["account"],
        row["destination"] or None,
        row["since"],
        row["retry_at"],
        Reason(row["reason_code"], row["reason"], row["provider_code"]),
    )
