"""Receipts: every report of a provider is stored, then applied to its delivery if it still can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from utskick.domain.ids import new_id
from utskick.domain.receipt import Receipt
from utskick.domain.status import PENDING, Transition
from utskick.store.database import Database
from utskick.store.group_commit import GroupCommit
from utskick.store.transitions import allowed, listed

#: The status that a report (``best``) gives a delivery (``d``). A failure is that of one attempt:
#: while another is in doubt, the delivery is.
_THEN: Final = """(CASE WHEN best.report = 'failed' AND d.status = 'sent' AND d.doubts > 0
    THEN 'uncertain' ELSE best.report END)"""

#: A repeated report of the attempt that failed brings nothing new about the one in doubt.
_NEWS: Final = """NOT (best.report = 'failed' AND d.status = 'uncertain'
    AND best.reference IS NOT DISTINCT FROM d.reference AND d.reference IS NOT NULL)"""

#: Whether another part of the message has not been reported as delivered. Receipts are committed
#: before they are applied, so that of two that are applied at the same moment the later one sees
#: both: as waiting, or with the delivery that they concern.
_LACKS_PARTS: Final = """CASE WHEN named.report = 'delivered' AND named.of_part = named.found
    THEN EXISTS (
        SELECT FROM (
            SELECT * FROM part_references
            WHERE delivery_id = named.found AND attempt = named.of_attempt OFFSET 0) q
        WHERE NOT EXISTS (
                SELECT FROM (SELECT * FROM receipts WHERE delivery_id = named.found OFFSET 0) k
                WHERE k.account = q.account AND k.reference = q.reference
                    AND k.report = 'delivered')
            AND NOT EXISTS (
                SELECT FROM receipts k
                WHERE k.account = q.account AND k.reference = q.reference
                    AND k.state = 'waiting' AND k.report = 'delivered'))
    ELSE false END"""

#: $1: ids of receipts. A delivery is found by its id, else by the provider's reference, which may
#: be that of a part. Providers use references again: the newest delivery is meant, and ids of
#: deliveries grow with time. It is delivered when all its parts are, and failed when one is.
_APPLY: Final = f"""
    WITH named AS MATERIALIZED (
        SELECT r.*, p.delivery_id AS of_part, p.attempt AS of_attempt, coalesce(
            (SELECT d.id FROM deliveries d
                JOIN attempts a ON a.delivery_id = d.id AND a.account = r.account
                WHERE d.id = r.delivery_id AND d.channel = r.channel LIMIT 1),
            greatest(p.delivery_id, (SELECT e.delivery_id FROM events e
                WHERE e.account = r.account AND e.reference = r.reference
                ORDER BY e.id DESC LIMIT 1))
        ) AS found
        FROM (SELECT * FROM receipts WHERE id = ANY($1::uuid[]) OFFSET 0) r
        LEFT JOIN LATERAL (
            SELECT delivery_id, attempt FROM part_references p
            WHERE p.account = r.account AND p.reference = r.reference
            ORDER BY p.delivery_id DESC LIMIT 1) p ON r.delivery_id IS NULL
        WHERE r.state = 'waiting'),
    r AS (SELECT named.*, {_LACKS_PARTS} AS lacks_parts FROM named),
    best AS (
        SELECT DISTINCT ON (r.found) r.* FROM r
        WHERE r.found IS NOT NULL AND r.report IN ('sent', 'delivered', 'failed')
            AND NOT r.lacks_parts
        ORDER BY r.found, (r.report = 'sent'), r.received_at, r.id),
    moved AS (
        UPDATE deliveries d
        SET status = {_THEN}, updated_at = greatest(best.received_at, d.updated_at),
            secret = CASE WHEN {_THEN} = 'uncertain' THEN d.secret END,
            reference = coalesce(d.reference, best.reference), reason_code = best.reason_code,
            reason = best.reason, provider_code = best.provider_code
        FROM best WHERE d.id = ANY(ARRAY(SELECT found FROM best)) AND d.id = best.found
            AND {allowed(Transition.RECEIPT, "d.status", _THEN)} AND {_NEWS}
        RETURNING d.id, d.message_id, d.municipality_id, d.attempts, d.awaited, d.status,
            d.updated_at, best.id AS receipt),
    noted AS (
        INSERT INTO events (municipality_id, delivery_id, attempt, status, account, reference,
            reason_code, reason, provider_code, actor, at, became)
        SELECT moved.municipality_id, moved.id, moved.attempts, best.report, best.account,
            best.reference, best.reason_code, best.reason, best.provider_code, 'receipt',
            moved.updated_at, nullif(moved.status, best.report)
        FROM best JOIN moved ON moved.receipt = best.id),
    notified AS MATERIALIZED (
        SELECT pg_notify('utskick_settled', message_id::text) FROM moved WHERE awaited),
    stated AS (
        SELECT r.id, d.municipality_id, r.found, r.state AS before, CASE
            WHEN r.id IN (SELECT receipt FROM moved) THEN 'applied'
            WHEN r.report = 'unknown' THEN 'unknown'
            WHEN r.found IS NULL OR d.status IN {listed(PENDING)} THEN 'waiting'
            ELSE 'superseded' END AS state
        FROM r LEFT JOIN LATERAL (SELECT * FROM deliveries WHERE id = r.found OFFSET 0) d ON true)
    UPDATE receipts SET state = stated.state, municipality_id = stated.municipality_id,
        delivery_id = coalesce(stated.found, delivery_id)
    FROM stated, (SELECT count(*) FROM notified) t
    WHERE receipts.id = ANY($1) AND receipts.id = stated.id AND receipts.state = stated.before
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Arrival:
    """A receipt as it was received, with the account that proved to be its sender."""

    channel: str
    account: str
    receipt: Receipt
    at: datetime


@dataclass(frozen=True, slots=True)
class SettledAttempt:
    """An attempt whose receipts may have come before its settlement.

    ``references``: of the message, or of all its parts. ``awaited``: the message, where a
    synchronous call waits for it.
    """

    delivery_id: UUID
    account: str | None
    references: Sequence[str | None]
    awaited: UUID | None = None


class ReceiptRows:
    """Receipts on disk: stored in a transaction of their own, then applied.

    So neither order of receipt and settlement can lose one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keeps: GroupCommit[Arrival, UUID] = GroupCommit(self._keep)
        self._applies: GroupCommit[UUID, None] = GroupCommit(self._apply)

    async def keep(self, arrival: Arrival) -> UUID:
        """Store a receipt. Returns its id."""
        return await self._keeps.put(arrival)

    async def apply(self, receipt_id: UUID) -> None:
        """Move the delivery that a stored receipt concerns, where the move is legal.

        A receipt that comes while the attempt is still open waits for the settlement; one that
        brings nothing new is superseded.
        """
        await self._applies.put(receipt_id)

    async def _keep(self, group: Sequence[Arrival]) -> Sequence[UUID]:
        ids = [new_id() for _ in group]
        await self._database.pool.execute(
            """
            INSERT INTO receipts (id, channel, account, reference, delivery_id, report, reason_code,
                reason, provider_code, reported_at, received_at, state)
            SELECT *, 'waiting' FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[],
                $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[],
                $11::timestamptz[])
            """,
            ids,
            [a.channel for a in group],
            [a.account for a in group],
            [a.receipt.reference for a in group],
            [a.receipt.key for a in group],
            [a.receipt.report.value for a in group],
            [a.receipt.reason.code if a.receipt.reason else None for a in group],
            [a.receipt.reason.sentence if a.receipt.reason else None for a in group],
            [a.receipt.reason.provider_code if a.receipt.reason else None for a in group],
            [a.receipt.at for a in group],
            [a.at for a in group],
        )
        return ids

    async def _apply(self, ids: Sequence[UUID]) -> Sequence[None]:
        await self._database.pool.execute(_APPLY, ids)
        return [None] * len(ids)

    async def notify(self, message_ids: Sequence[UUID]) -> None:
        """Notify the synchronous calls that wait for these messages."""
        await self._database.pool.execute(
            "SELECT pg_notify('utskick_settled', id::text) FROM unnest($1::uuid[]) AS w(id)",
            message_ids,
        )

    async def waiting_for(self, attempts: Sequence[SettledAttempt]) -> list[UUID]:
        """Return receipts that came before their settlement."""
        rows = await self._database.pool.fetch(
            """
            SELECT r.id FROM unnest($1::uuid[]) AS w(id) CROSS JOIN LATERAL (
                SELECT id, state FROM receipts WHERE delivery_id = w.id OFFSET 0) r
            WHERE r.state = 'waiting'
            UNION
            SELECT r.id FROM unnest($2::text[], $3::text[]) AS w(account, reference)
            CROSS JOIN LATERAL (
                SELECT id FROM receipts
                WHERE account = w.account AND reference = w.reference AND state = 'waiting'
                OFFSET 0) r
            """,
            [attempt.delivery_id for attempt in attempts],
            [attempt.account for attempt in attempts for _ in attempt.references],
            [reference for attempt in attempts for reference in attempt.references],
        )
        return [row["id"] for row in rows]

    async def overdue(self, before: datetime, after: UUID, limit: int) -> list[UUID]:
        """Return receipts that were received before a time and still wait, by id from ``after``.

        Their settlement may have been interrupted before it looked for them.
        """
        rows = await self._database.pool.fetch(
            """
            SELECT id FROM (
                SELECT id, received_at FROM receipts WHERE state = 'waiting' OFFSET 0) r
            WHERE received_at < $1 AND id > $2 ORDER BY id LIMIT $3
            """,
            before,
            after,
            limit,
        )
        return [row["id"] for row in rows]

    async def give_up(self, before: datetime) -> int:
        """Mark receipts that still wait since before a time as unknown. Returns how many."""
        done: str = await self._database.pool.execute(
            "UPDATE receipts SET state = 'unknown' WHERE state = 'waiting' AND received_at < $1",
            before,
        )
        return int(done.split()[-1])
