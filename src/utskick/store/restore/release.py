"""What a restore holds, and its release by a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from utskick.domain.audit import Action, AuditEntry
from utskick.domain.message import Caller
from utskick.domain.outcome import Reason
from utskick.domain.status import PENDING
from utskick.store.administration import audit
from utskick.store.database import REPORTING, Database
from utskick.store.restore.guard import hold
from utskick.store.restore.identity import MarkerFile, Observed, observe, remembered
from utskick.store.restore.verdict import AfterPromotion, Evidence, reason_of
from utskick.store.transitions import listed

#: Jobs that are released in one transaction.
_PART: Final = 1000

#: Origin of the audit entries.
ORIGIN: Final = "utskick release"

_UNKNOWN: Final = Reason(
    "restored",
    "the database was restored from a backup, after which it may or may not have been sent",
)


class Choice(StrEnum):
    """What becomes of what was held: sent now, or left uncertain for a receipt or a person."""

    SEND = "send"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Held deliveries of a municipality, a channel and a status.

    Letters that wait in an open print batch have the status ``gathered``.
    """

    municipality_id: str
    channel: str
    status: str
    count: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore that was noticed.

    Between ``database_until`` and ``marker_until`` the database knows nothing of what was accepted
    and sent; None: it is not known either.
    """

    detected_at: datetime
    reason: str
    database_until: datetime | None
    marker_until: datetime | None
    held: int
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class Release:
    """A decision. ``channel``: None for all. ``before``: of what was accepted before it."""

    before: datetime
    choice: Choice
    channel: str | None
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Check:
    """The database as it is.

    ``verdict``: why it will be held at the next start; None: it will not. ``seen_at``: when the
    service was last seen on it.
    """

    observed: Observed
    verdict: str | None
    seen_at: datetime | None
    restores: Sequence[Restore]
    groups: Sequence[HeldGroup]

    def unknown_times(self) -> list[tuple[datetime, datetime]]:
        """Return the times of which the database knows nothing."""
        found = [
            (each.database_until, each.detected_at)
            for each in self.restores
            if each.database_until is not None
        ]
        if self.verdict is not None and self.seen_at is not None:
            found.append((self.seen_at, datetime.max.replace(tzinfo=UTC)))
        return found


#: Parameters: $1: accepted before; $2: channel or null.
_HELD: Final = """
    FROM pgqueuer q
    JOIN deliveries d ON d.id = encode(substring(q.payload FROM 1 FOR 16), 'hex')::uuid
    WHERE q.status = 'failed' AND ($1::timestamptz IS NULL OR d.created_at < $1)
        AND ($2::text IS NULL OR d.channel = $2)
"""

_BATCHES: Final = """
    held AND ($1::timestamptz IS NULL OR opened_at < $1) AND ($2::text IS NULL OR channel = $2)
"""

#: Parameters: $1: deliveries; $2: jobs; $3: the reason; $4: the time; $5: the person; $6:
#: the reason's code.
_LEAVE_UNKNOWN: Final = f"""
    WITH moved AS (
        UPDATE deliveries SET status = 'uncertain', doubts = doubts + 1, reason_code = $6,
            reason = $3, provider_code = NULL, updated_at = $4
        WHERE id = ANY($1::uuid[]) AND status IN {listed(PENDING)}
        RETURNING id, municipality_id, attempts, account, message_id, awaited),
    noted AS (
        INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reason_code,
            reason, actor, at)
        SELECT municipality_id, id, nullif(attempts, 0), 'uncertain', account, $6, $3, $5,
            $4 FROM moved),
    done AS (DELETE FROM pgqueuer WHERE id = ANY($2::bigint[])),
    notified AS MATERIALIZED (
        SELECT pg_notify('utskick_settled', message_id::text) FROM moved WHERE awaited)
    SELECT count(*) FROM notified
"""  # noqa: S608

_QUEUE_AGAIN: Final = """
    WITH again AS (
        UPDATE pgqueuer SET status = 'queued' WHERE id = ANY($1::bigint[]) RETURNING entrypoint)
    SELECT pg_notify('utskick_work', entrypoint) FROM (SELECT DISTINCT entrypoint FROM again) l
"""


class HeldDatabase:
    """Reader of what is held, and writer of its release."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, marker: MarkerFile, rule: AfterPromotion) -> Check:
        """Report on the database as it is. Changes nothing."""
        async with self._database.transaction() as connection:
            observed = await observe(connection)
            known = [
                row["incarnation"]
                for row in await connection.fetch("SELECT incarnation FROM restores")
            ]
            row = await remembered(connection)
            evidence = Evidence(observed, row, marker.last, known)
        return Check(
            observed,
            reason_of(evidence, rule),
            row.seen_at if row is not None else None,
            await self._restores(),
            await self.groups(),
        )

    async def _restores(self) -> list[Restore]:
        rows = await self._database.pool.fetch(
            "SELECT detected_at, reason, database_until, marker_until, held, released_at"
            " FROM restores WHERE database_until IS NOT NULL OR held > 0"
            " ORDER BY detected_at DESC LIMIT 20"
        )
        return [Restore(**dict(row)) for row in rows]

    async def groups(
        self, before: datetime | None = None, channel: str | None = None
    ) -> list[HeldGroup]:
        """Return what is held, of what was accepted before a time."""
        async with self._database.transaction() as connection:
            await connection.execute(REPORTING)
            rows = await connection.fetch(
                f"""
                SELECT d.municipality_id, d.channel, d.status, count(*) AS count,
                    min(d.created_at) AS oldest, max(d.created_at) AS newest
                {_HELD} GROUP BY 1, 2, 3
                UNION ALL
                SELECT municipality_id, channel, 'gathered', sum(letters), min(opened_at),
                    max(opened_at)
                FROM print_batches WHERE {_BATCHES} GROUP BY 1, 2
                ORDER BY 1, 2, 3
                """,  # noqa: S608
                before,
                channel,
            )
        return [HeldGroup(**dict(row)) for row in rows]

    async def release(self, release: Release) -> int:
        """Carry out a decision, part by part, each audited with it. Returns how many deliveries.

        Letters in an open print batch are handed over (``SEND``) or stay held.
        """
        done = 0
        while count := await self._part(release):
            done += count
        async with self._database.transaction() as connection:
            if release.choice is Choice.SEND:
                await connection.execute(
                    f"UPDATE print_batches SET held = false WHERE {_BATCHES}",  # noqa: S608
                    release.before,
                    release.channel,
                )
            await connection.execute(
                """
                UPDATE restores SET released_at = now() WHERE released_at IS NULL
                    AND NOT EXISTS (SELECT FROM pgqueuer WHERE status = 'failed')
                    AND NOT EXISTS (SELECT FROM print_batches WHERE held)
                """
            )
        return done

    async def _part(self, release: Release) -> int:
        async with self._database.transaction() as connection:
            await connection.execute(REPORTING)
            rows = await connection.fetch(
                f"""
                SELECT q.id AS job, d.id, d.municipality_id {_HELD}
                ORDER BY q.id LIMIT {_PART} FOR UPDATE OF q
                """,
                release.before,
                release.channel,
            )
            if rows:
                await self._carry_out(connection, release, rows)
            return len(rows)

    async def _carry_out(self, connection: Any, release: Release, rows: Sequence[Any]) -> None:
        jobs, now = [row["job"] for row in rows], self._database.clock()
        if release.choice is Choice.SEND:
            await connection.execute(_QUEUE_AGAIN, jobs)
        else:
            ids = [row["id"] for row in rows]
            await connection.execute(
                _LEAVE_UNKNOWN, ids, jobs, _UNKNOWN.sentence, now, release.by, _UNKNOWN.code
            )
        counts = Counter(row["municipality_id"] for row in rows)
        subject = {
            "release": release.choice.value,
            "before": release.before.isoformat(),
            "reason": release.reason,
        }
        entries = [
            AuditEntry(
                Action.RESOLVE,
                Caller(municipality_id, ORIGIN, release.by),
                now,
                {**subject, "deliveries": count},
            )
            for municipality_id, count in counts.items()
        ]
        # the command line has the pool to itself: the keys are fetched beside this transaction
        vault = self._database.vault
        await audit.keep(connection, [await audit.sealed(vault, entry) for entry in entries])

    async def hold(self, by: str) -> int:
        """Hold everything that waits, on a person's word. Returns how many jobs."""
        async with self._database.transaction() as connection:
            row = await remembered(connection)
            return await hold(connection, f"{by} held it", row, None)
