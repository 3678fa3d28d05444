"""The guard at every new connection: a restored database is held before anything is claimed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from utskick.domain.ids import new_id
from utskick.store.connection import ConnectionLost
from utskick.store.restore.identity import (
    Marker,
    MarkerFile,
    Observed,
    Remembered,
    observe,
    remembered,
)
from utskick.store.restore.verdict import AfterPromotion, Evidence, reason_of

log = structlog.get_logger(__name__)

#: Seconds between two ticks.
EVERY: Final = 5.0
#: Seconds that the last one may take.
_LAST: Final = 2.0

_ADVICE: Final = (
    "what was waiting may have been sent since the backup: nothing of it is sent until somebody "
    "decides with `utskick release` (`utskick restore-check` lists it); new messages are sent"
)


class RestoreGuard:
    """Compares the database with what was seen last, at every new connection and every few seconds.

    Sessions do not survive a restore, so that one cannot be missed between two checks. ``held``:
    the restore that waits for a decision.
    """

    def __init__(
        self, marker: MarkerFile, after_promotion: AfterPromotion = AfterPromotion.CHECK
    ) -> None:
        self._marker = marker
        self._after_promotion = after_promotion
        self._held: tuple[str, datetime] | None = None

    def health(self) -> dict[str, Any] | None:
        """Return the component of the health check; None where nothing is held."""
        if self._held is None:
            return None
        reason, since = self._held
        return {
            "status": "HELD",
            "reason": reason,
            "since": since.isoformat(),
            "advice": "utskick restore-check",
        }

    async def inspect(self, connection: Any) -> None:
        """Check a new connection before it is used. Raises faults of the database.

        A standby is refused: the session would survive its promotion unchecked.
        """
        found = await observe(connection)
        if found.standby:
            raise ConnectionLost("the server is a standby")
        if not found.known:
            return
        row = await remembered(connection)
        same = row is not None and (row.system, row.database, row.timeline) == (
            found.system,
            found.database,
            found.timeline,
        )
        if not same or await self._evidence(connection, found, row) is not None:
            await self._judge(connection)

    async def _evidence(
        self, connection: Any, found: Observed, row: Remembered | None
    ) -> str | None:
        rows = await connection.fetch("SELECT incarnation FROM restores")
        known = [each["incarnation"] for each in rows]
        return reason_of(Evidence(found, row, self._marker.last, known), self._after_promotion)

    async def _judge(self, connection: Any) -> None:
        """Hold the database where it was restored, and remember what it is now."""
        async with connection.transaction():
            # One at a time: who comes second finds what the first has written.
            await connection.execute("LOCK TABLE installation IN SHARE ROW EXCLUSIVE MODE")
            found = await observe(connection)
            row = await remembered(connection)
            reason = await self._evidence(connection, found, row)
            if reason is not None:
                await hold(connection, reason, row, self._marker.last)
            await _remember(connection, found, renewed=reason is not None)

    async def run(self, pool: asyncpg.Pool, passing: tuple[type[BaseException], ...]) -> None:
        """Tick every few seconds until cancelled, and once more then.

        ``passing``: faults of the database, after which it goes on.
        """
        try:
            while True:
                try:
                    await self.tick(pool)
                except passing:
                    pass  # every part that needs the database says so
                except Exception:  # a bug: logged in full, and the next tick may succeed
                    log.exception("restore-guard-fault")
                await asyncio.sleep(EVERY)
        finally:
            with suppress(*passing):
                async with asyncio.timeout(_LAST):
                    await self.tick(pool)

    async def tick(self, pool: asyncpg.Pool) -> None:
        """Count on in the database, and keep what was seen. Raises faults of the database."""
        async with pool.acquire() as connection:
            found = await observe(connection)
            if not found.known:
                return
            row = await remembered(connection)
            if row is None or await self._evidence(connection, found, row) is not None:
                await self._judge(connection)  # the tables were restored under a running service
            kept = await connection.fetchrow(
                "UPDATE installation SET ticks = ticks + 1, seen_at = clock_timestamp(),"
                " synchronous = $1 RETURNING incarnation, ticks, seen_at",
                found.synchronous,
            )
            held = await connection.fetchrow(
                "SELECT reason, detected_at FROM restores WHERE released_at IS NULL"
                " ORDER BY detected_at DESC LIMIT 1"
            )
        self._held = (held["reason"], held["detected_at"]) if held is not None else None
        if kept is not None:
            self._marker.keep(
                Marker(
                    found.system,
                    found.database,
                    kept["incarnation"],
                    kept["ticks"],
                    kept["seen_at"],
                )
            )


async def hold(connection: Any, reason: str, row: Remembered | None, marker: Marker | None) -> int:
    """Hold every job and every open print batch, inside the caller's transaction.

    Returns how many jobs. A held job has PgQueuer's status of jobs that are parked for a person, so
    that the claim does not see it and costs nothing.
    """
    tag = await connection.execute(
        "UPDATE pgqueuer SET status = 'failed', queue_manager_id = NULL"
        " WHERE status IN ('queued', 'picked')"
    )
    jobs = int(tag.split()[-1])
    tag = await connection.execute("UPDATE print_batches SET held = true WHERE closed_at IS NULL")
    batches = int(tag.split()[-1])
    ended = row.incarnation if row is not None else marker.incarnation if marker else None
    await connection.execute(
        """
        INSERT INTO restores (id, incarnation, detected_at, reason, database_until, marker_until,
            held, released_at)
        VALUES ($1, $2, now(), $3, $4, $5, $6, CASE WHEN $6 = 0 THEN now() END)
        """,
        new_id(),
        ended,
        reason,
        row.seen_at if row is not None else None,
        marker.seen_at if marker is not None else None,
        jobs + batches,
    )
    if marker is not None and marker.incarnation != ended:
        await _note_end(connection, marker.incarnation, reason)
    log.error("database-restored", reason=reason, held=jobs + batches, advice=_ADVICE)
    return jobs


async def _note_end(connection: Any, incarnation: UUID, reason: str) -> None:
    """Record the end of an incarnation that only a node knew, so that other nodes know of it."""
    await connection.execute(
        """
        INSERT INTO restores (id, incarnation, detected_at, reason, held, released_at)
        VALUES ($1, $2, now(), $3, 0, now())
        """,
        new_id(),
        incarnation,
        reason,
    )


async def _remember(connection: Any, found: Observed, *, renewed: bool) -> None:
    """Write down what the database is. ``renewed``: it is another incarnation from now on."""
    await connection.execute(
        """
        INSERT INTO installation AS i (incarnation, system_identifier, database_oid, timeline,
            synchronous, ticks, seen_at)
        VALUES ($1, $2, $3::bigint::oid, $4, $5, 1, clock_timestamp())
        ON CONFLICT (one) DO UPDATE SET
            incarnation = CASE WHEN $6 THEN $1 ELSE i.incarnation END,
            system_identifier = $2, database_oid = $3::bigint::oid, timeline = $4,
            synchronous = $5, ticks = i.ticks + 1, seen_at = clock_timestamp()
        """,
        new_id(),
        found.system,
        found.database,
        found.timeline,
        found.synchronous,
        renewed,
    )
