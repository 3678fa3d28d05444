"""The status of deliveries, messages and batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from utskick.domain.outcome import Reason
from utskick.domain.status import UNDELIVERABLE, Status
from utskick.store.database import Database


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """The status of a delivery.

    ``original_type``: the message type of its request. ``print_batch``: that a letter is in.
    """

    id: UUID
    batch_id: UUID
    message_id: UUID
    message_type: str
    status: Status
    attempts: int
    reason: Reason | None
    reference: str | None
    original_type: str
    print_batch: UUID | None = None

    @property
    def visible_type(self) -> str:
        """The message type: of an undeliverable leg, the type of its request (contract 6.2).

        Rules L5 and L7: a leg that could not even be addressed.
        """
        undeliverable = self.reason is not None and self.reason.code.startswith(UNDELIVERABLE)
        return self.original_type if undeliverable else self.message_type


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """An event of a delivery: an attempt that began, or a change of status.

    ``became``: the status that the delivery had after it, where that is another.
    """

    at: datetime
    status: str
    attempt: int | None
    account: str | None
    reference: str | None
    reason: Reason | None
    actor: str | None
    became: str | None = None


_STRIDE = 5000
#: Failed tries of a hand-over that are told with each letter: the latest.
_TRIES = 20
#: The columns of a ``DeliveryState``, of ``d`` a delivery, ``m`` its message, ``b`` its batch.
STATE = """
    d.id, d.batch_id, d.message_id, d.message_type, d.status, d.attempts, d.reason_code, d.reason,
        d.provider_code, d.print_batch, m.reference,
    b.message_type AS original_type
"""
#: Of ``m`` messages: each looked up by its key, in this order (docs/explanation/adr/0012).
DELIVERIES = """
    CROSS JOIN LATERAL (
        SELECT * FROM deliveries d WHERE d.batch_id = m.batch_id AND d.message_id = m.id
        OFFSET 0) d
"""
BATCH = """
    CROSS JOIN LATERAL (
        SELECT * FROM batches WHERE id = m.batch_id AND municipality_id = m.municipality_id
        OFFSET 0) b
"""


class History:
    """Reader of statuses. Every statement is bound to a municipality."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delivery(self, municipality_id: str, delivery_id: UUID) -> DeliveryState | None:
        row = await self._database.of(municipality_id).fetchrow(
            f"""
            SELECT {STATE} FROM (SELECT * FROM deliveries WHERE id = $2 OFFSET 0) d
            CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = d.message_id OFFSET 0) m
            {BATCH}
            WHERE d.municipality_id = $1
            """,  # noqa: S608
            municipality_id,
            delivery_id,
        )
        return state_of(row) if row else None

    async def story(self, municipality_id: str, delivery_id: UUID) -> list[DeliveryEvent]:
        return (await self.stories(municipality_id, [delivery_id]))[delivery_id]

    async def stories(
        self, municipality_id: str, delivery_ids: Sequence[UUID]
    ) -> dict[UUID, list[DeliveryEvent]]:
        """Return the events of each of these deliveries, oldest first.

        The failed tries of a hand-over are events of its letters, which stay gathered.
        """
        rows = await self._database.of(municipality_id).fetch(
            """
            SELECT delivery_id, started_at AS at, 'sending' AS status, number AS attempt, account,
                NULL AS reference, NULL AS reason_code,
                NULL AS reason, NULL AS provider_code, NULL AS actor, 0 AS kind, 0::bigint AS id,
                NULL AS became
            FROM attempts WHERE municipality_id = $1 AND delivery_id = ANY($2::uuid[])
            UNION ALL
            SELECT delivery_id, at, status, attempt, account, reference, reason_code, reason,
                provider_code, actor, 1, id, became
            FROM unnest($2::uuid[]) AS k(key) CROSS JOIN LATERAL (
                SELECT * FROM events WHERE delivery_id = k.key ORDER BY id OFFSET 0) e
            WHERE municipality_id = $1
            UNION ALL
            SELECT l.id, e.at, 'gathered', e.attempt, e.account, NULL, e.reason_code, e.reason,
                e.provider_code, NULL, 1, e.id, NULL
            FROM (SELECT * FROM deliveries WHERE municipality_id = $1 AND id = ANY($2::uuid[])
                AND print_batch IS NOT NULL OFFSET 0) l
            CROSS JOIN LATERAL (
                SELECT id FROM deliveries WHERE batch_id = l.print_batch
                    AND municipality_id = $1 OFFSET 0) h
            CROSS JOIN LATERAL (
                SELECT * FROM events WHERE delivery_id = h.id AND municipality_id = $1
                    AND status IN ('deferred', 'uncertain') ORDER BY id DESC LIMIT $3) e
            UNION ALL
            SELECT id, created_at, CASE WHEN recorded IS NULL THEN 'queued'
                ELSE status END, NULL, NULL, NULL, NULL, NULL, NULL,
                CASE WHEN recorded IS NOT NULL THEN 'import' END, -1, 0, NULL
            FROM deliveries WHERE municipality_id = $1 AND id = ANY($2::uuid[])
            ORDER BY at, kind, id
            """,
            municipality_id,
            list(delivery_ids),
            _TRIES,
        )
        found: dict[UUID, list[DeliveryEvent]] = {delivery_id: [] for delivery_id in delivery_ids}
        for r in rows:
            event = DeliveryEvent(
                r["at"],
                r["status"],
                r["attempt"],
                r["account"],
                r["reference"],
                _reason(r),
                r["actor"],
                r["became"],
            )
            found[r["delivery_id"]].append(event)
        return found

    async def message(self, municipality_id: str, message_id: UUID) -> list[DeliveryState]:
        """Return the deliveries of a message.

        A routed delivery is not among them: its answers are. It can be queried by its own id.
        """
        rows = await self._database.of(municipality_id).fetch(
            f"""
            SELECT {STATE} FROM (SELECT * FROM messages WHERE id = $2 OFFSET 0) m
            {DELIVERIES} {BATCH}
            WHERE m.municipality_id = $1 AND d.municipality_id = $1
                AND d.status <> 'routed' ORDER BY d.created_at, d.id
            """,  # noqa: S608
            municipality_id,
            message_id,
        )
        return [state_of(row) for row in rows]

    async def batch(
        self, municipality_id: str, batch_id: UUID
    ) -> AsyncIterator[Sequence[DeliveryState]]:
        """Yield all deliveries of a batch, in the order of its recipients.

        Some thousands at a time; no connection is held between two of them: a slow reader does not
        hold up others.
        """
        own = self._database.of(municipality_id)
        count = await own.fetchval(
            "SELECT recipients FROM batches WHERE municipality_id = $1 AND id = $2",
            municipality_id,
            batch_id,
        )
        for start in range(0, count or 0, _STRIDE):
            rows = await own.fetch(
                f"""
                SELECT {STATE} FROM (
                    SELECT * FROM messages WHERE batch_id = $2 AND ordinal >= $3 AND ordinal < $4
                    OFFSET 0) m
                {DELIVERIES} {BATCH}
                WHERE m.municipality_id = $1 AND d.municipality_id = $1 AND d.status <> 'routed'
                ORDER BY m.ordinal, d.created_at, d.id
                """,  # noqa: S608
                municipality_id,
                batch_id,
                start,
                start + _STRIDE,
            )
            yield [state_of(row) for row in rows]

    async def counts(self, municipality_id: str, batch_id: UUID) -> dict[Status, int]:
        """Return how many deliveries of a batch have which status.

        Empty: there is no such batch here.
        """
        rows = await self._database.of(municipality_id).fetch(
            "SELECT status, count(*) AS n FROM deliveries WHERE municipality_id = $1"
            " AND batch_id = $2 AND status <> 'routed' GROUP BY 1",
            municipality_id,
            batch_id,
        )
        return {Status(row["status"]): row["n"] for row in rows}

    async def waiting(self, municipality_id: str, batch_id: UUID) -> tuple[int, datetime | None]:
        """Return how many deliveries of a batch are tried later, and when the first of them is.

        It reads the whole queue of the municipality: not for every call.
        """
        row = await self._database.of(municipality_id).fetchrow(
            """
            SELECT count(*) AS n, min(q.execute_after) AS first
            FROM (SELECT uuid_send(id) || convert_to($1, 'UTF8') AS payload FROM deliveries
                WHERE municipality_id = $1 AND batch_id = $2
                    AND status IN ('queued', 'deferred') OFFSET 0) d
            JOIN (SELECT payload, execute_after FROM pgqueuer WHERE status = 'queued' OFFSET 0) q
                USING (payload)
            WHERE q.execute_after > now()
            """,
            municipality_id,
            batch_id,
        )
        return row["n"], row["first"]

    async def remarks(self, municipality_id: str, batch_id: UUID) -> dict[str, Any]:
        found = await self._database.of(municipality_id).fetchval(
            "SELECT remarks FROM batches WHERE municipality_id = $1 AND id = $2",
            municipality_id,
            batch_id,
        )
        return found or {}


def state_of(row: Any) -> DeliveryState:
    return DeliveryState(
        row["id"],
        row["batch_id"],
        row["message_id"],
        row["message_type"],
        Status(row["status"]),
        row["attempts"],
        _reason(row),
        row["reference"],
        row["original_type"],
        row["print_batch"],
    )


def _reason(row: Any) -> Reason | None:
    return (
        Reason(row["reason_code"], row["reason"] or "", row["provider_code"])
        if row["reason_code"]
        else None
    )
