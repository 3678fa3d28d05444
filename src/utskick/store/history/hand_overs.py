"""Hand-overs of print batches that fail, or wait for a printing house that does.

Nothing is written for it on the letters: their status is joined with that of the hand-over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from utskick.domain.outcome import Reason
from utskick.domain.status import PENDING, Status
from utskick.store.database import Database
from utskick.store.transitions import listed


@dataclass(frozen=True, slots=True)
class FailingHandOver:
    """A hand-over that has failed and is not over, or that waits for an open circuit.

    ``retry_at``: None while it is being tried, and where it waits for a person's decision.
    """

    print_batch: UUID
    account: str | None
    attempts: int
    since: datetime
    retry_at: datetime | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class FailingAccount:
    """The failing hand-overs of an account, with the reason of most."""

    channel: str
    account: str | None
    since: datetime
    retry_at: datetime | None
    reason: Reason
    batches: int
    letters: int


@dataclass(frozen=True, slots=True)
class HandOverEvent:
    """The first failed try of a hand-over, or the end of one that had failed.

    ``code``: of the first failed try, or of the reason why it ended; None if it succeeded.
    """

    at: datetime
    began: bool
    channel: str
    account: str | None
    letters: int
    code: str | None


#: Of ``p`` print batches under way. ``j`` and ``c``: the open circuit that the hand-over's job was
#: given back for.
_FAILING: Final = f"""
    SELECT p.id, p.channel, p.letters, d.attempts,
        coalesce(d.account, c.account) AS account,
        coalesce(CASE WHEN d.reason_code IS NOT NULL THEN p.failing_since END, c.since) AS since,
        CASE d.status WHEN 'deferred' THEN greatest(p.retry_at, c.retry_at)
            WHEN 'queued' THEN c.retry_at END AS retry_at,
        coalesce(d.reason_code, c.reason_code) AS reason_code,
        CASE WHEN d.reason_code IS NULL THEN c.reason ELSE d.reason END AS reason,
        CASE WHEN d.reason_code IS NULL THEN c.provider_code ELSE d.provider_code END
            AS provider_code
    FROM print_batches p
    CROSS JOIN LATERAL (
        SELECT * FROM deliveries WHERE batch_id = p.id AND municipality_id = p.municipality_id
            AND status IN {listed({*PENDING, Status.UNCERTAIN})} OFFSET 0) d
    LEFT JOIN LATERAL (
        SELECT headers FROM pgqueuer
        WHERE payload = uuid_send(d.id) || convert_to(d.municipality_id, 'UTF8')
            AND headers IS NOT NULL LIMIT 1) j ON true
    LEFT JOIN LATERAL (
        SELECT * FROM circuits
        WHERE channel = j.headers->>'channel' AND account = j.headers->>'account'
            AND destination = j.headers->>'destination' AND seen_at > now() - interval '20 s'
        ORDER BY since LIMIT 1) c ON true
    WHERE p.closed_at IS NOT NULL AND p.ended_at IS NULL
        AND (d.reason_code IS NOT NULL AND p.failing_since IS NOT NULL OR c.since IS NOT NULL)
"""  # noqa: S608


class HandOvers:
    """Reader of failing hand-overs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def failing(
        self, municipality_id: str, print_batches: Sequence[UUID]
    ) -> dict[UUID, FailingHandOver]:
        """Return those of these print batches whose hand-over fails."""
        if not print_batches:
            return {}
        rows = await self._database.pool.fetch(
            f"{_FAILING} AND p.municipality_id = $1 AND p.id = ANY($2::uuid[])",
            municipality_id,
            list(print_batches),
        )
        return {row["id"]: _failing(row) for row in rows}

    async def all_failing(self, municipality_id: str) -> list[UUID]:
        """Return the print batches of a municipality whose hand-over fails."""
        rows = await self._database.pool.fetch(
            f"{_FAILING} AND p.municipality_id = $1", municipality_id
        )
        return [row["id"] for row in rows]

    async def accounts(self) -> list[FailingAccount]:
        """Return the accounts with failing hand-overs, of all municipalities."""
        rows = await self._database.pool.fetch(
            f"""
            SELECT channel, account, min(since) AS since, min(retry_at) AS retry_at,
                mode() WITHIN GROUP (ORDER BY reason_code) AS reason_code,
                mode() WITHIN GROUP (ORDER BY reason) AS reason,
                mode() WITHIN GROUP (ORDER BY provider_code) AS provider_code,
                count(*) AS batches, sum(letters)::bigint AS letters
            FROM ({_FAILING}) f GROUP BY channel, account ORDER BY channel, account
            """  # noqa: S608
        )
        return [
            FailingAccount(
                row["channel"],
                row["account"],
                row["since"],
                row["retry_at"],
                _reason(row),
                row["batches"],
                row["letters"],
            )
            for row in rows
        ]

    async def recent(self, count: int) -> list[HandOverEvent]:
        """Return the newest beginnings and ends of failing of the last day."""
        rows = await self._database.pool.fetch(
            """
            SELECT e.at, e.began, p.channel, d.account, p.letters,
                CASE WHEN e.began THEN f.reason_code ELSE d.reason_code END AS code
            FROM print_batches p
            CROSS JOIN LATERAL (
                SELECT id, account, reason_code FROM deliveries
                WHERE batch_id = p.id AND municipality_id = p.municipality_id OFFSET 0) d
            CROSS JOIN LATERAL (
                VALUES (p.failing_since, true), (p.ended_at, false)) e(at, began)
            LEFT JOIN LATERAL (
                SELECT reason_code FROM events
                WHERE delivery_id = d.id AND reason_code IS NOT NULL ORDER BY id LIMIT 1) f ON true
            WHERE p.failing_since IS NOT NULL AND e.at > now() - interval '1 day'
            ORDER BY e.at DESC LIMIT $1
            """,
            count,
        )
        return [HandOverEvent(*row) for row in rows]


def _failing(row: Any) -> FailingHandOver:
    return FailingHandOver(
        row["id"],
        row["account"],
        row["attempts"],
        row["since"],
        row["retry_at"],
        _reason(row),
    )


def _reason(row: Any) -> Reason:
    return Reason(row["reason_code"], row["reason"] or "", row["provider_code"])
