"""What was said to whom, and what became of it: everything that the reading calls answer from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from utskick.domain.channel import Draft, Priority
from utskick.domain.outcome import Reason
from utskick.domain.recipient import Recipient
from utskick.domain.status import UNDELIVERABLE, Status
from utskick.store.attachments import Attachments
from utskick.store.contents import Contents
from utskick.store.database import Database


@dataclass(frozen=True, slots=True)
class State:
    """A delivery as the status calls show it. ``original_type``: that of its request."""

    id: UUID
    batch_id: UUID
    message_id: UUID
    message_type: str
    status: Status
    attempts: int
    reason: Reason | None
    reference: str | None
    original_type: str

    @property
    def shown_type(self) -> str:
        """A leg that could not even be addressed is told under the type of its request (contract 6.2, L5 and L7)."""
        undeliverable = self.reason is not None and self.reason.code.startswith(UNDELIVERABLE)
        return self.original_type if undeliverable else self.message_type


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of a delivery's story: an attempt that began, or a change of status."""

    at: datetime
    status: str
    attempt: int | None
    account: str | None
    reference: str | None
    reason: Reason | None
    actor: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """A delivery with its content, for a conversation history."""

    channel: str
    message_type: str
    state: State
    draft: Draft
    remarks: dict[str, Any]
    at: datetime


_STRIDE = 5000
_STATE = """
    d.id, d.batch_id, d.message_id, d.message_type, d.status, d.attempts, d.reason_code, d.reason, d.provider_code, m.reference,
    b.message_type AS original_type
"""
_JOINED = """
    FROM messages m
    JOIN deliveries d ON d.batch_id = m.batch_id AND d.message_id = m.id
    JOIN batches b ON b.id = m.batch_id
"""


class History:
    """Reads only. Every statement is bound to a municipality."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attachments = Attachments(database)
        self._contents = Contents(database)

    async def delivery(self, municipality_id: str, delivery_id: UUID) -> State | None:
        row = await self._database.pool.fetchrow(
            f"""
            SELECT {_STATE} FROM deliveries d JOIN messages m ON m.id = d.message_id JOIN batches b ON b.id = d.batch_id
            WHERE d.municipality_id = $1 AND d.id = $2
            """,  # noqa: S608
            municipality_id, delivery_id,
        )  # fmt: skip
        return _state(row) if row else None

    async def story(self, municipality_id: str, delivery_id: UUID) -> list[Happening]:
        rows = await self._database.pool.fetch(
            """
            SELECT started_at AS at, 'sending' AS status, number AS attempt, account, NULL AS reference, NULL AS reason_code,
                NULL AS reason, NULL AS provider_code, NULL AS actor, 0 AS kind, 0::bigint AS id
            FROM attempts WHERE municipality_id = $1 AND delivery_id = $2
            UNION ALL
            SELECT at, status, attempt, account, reference, reason_code, reason, provider_code, actor, 1, id
            FROM events WHERE municipality_id = $1 AND delivery_id = $2
            UNION ALL
            SELECT created_at, 'queued', NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1, 0
            FROM deliveries WHERE municipality_id = $1 AND id = $2
            ORDER BY at, kind, id
            """,
            municipality_id, delivery_id,
        )  # fmt: skip
        return [Happening(r["at"], r["status"], r["attempt"], r["account"], r["reference"], _reason(r), r["actor"]) for r in rows]

    async def message(self, municipality_id: str, message_id: UUID) -> list[State]:
        """A routed delivery is not among them: its answers are. It stays resolvable by its own id."""
        rows = await self._database.pool.fetch(
            f"""
            SELECT {_STATE} {_JOINED}
            WHERE m.municipality_id = $1 AND m.id = $2 AND d.municipality_id = $1 AND d.status <> 'routed' ORDER BY d.id
            """,
            municipality_id, message_id,
        )  # fmt: skip
        return [_state(row) for row in rows]

    async def batch(self, municipality_id: str, batch_id: UUID) -> AsyncIterator[Sequence[State]]:
        """All deliveries of a batch, in the order of its recipients, some thousands at a time.

        No connection is held between two of them: who reads slowly holds up nobody else.
        """
        pool = self._database.pool
        count = await pool.fetchval("SELECT recipients FROM batches WHERE municipality_id = $1 AND id = $2", municipality_id, batch_id)
        for start in range(0, count or 0, _STRIDE):
            rows = await pool.fetch(
                f"""
                SELECT {_STATE} {_JOINED}
                WHERE m.batch_id = $2 AND m.ordinal >= $3 AND m.ordinal < $4 AND m.municipality_id = $1 AND d.municipality_id = $1
                    AND d.status <> 'routed'
                ORDER BY m.ordinal, d.id
                """,
                municipality_id, batch_id, start, start + _STRIDE,
            )  # fmt: skip
            yield [_state(row) for row in rows]

    async def counts(self, municipality_id: str, batch_id: UUID) -> dict[Status, int]:
        """How many deliveries of a batch are in which status. Empty: there is no such batch here."""
        rows = await self._database.pool.fetch(
            "SELECT status, count(*) AS n FROM deliveries WHERE municipality_id = $1 AND batch_id = $2 AND status <> 'routed' GROUP BY 1",
            municipality_id, batch_id,
        )  # fmt: skip
        return {Status(row["status"]): row["n"] for row in rows}

    async def remarks(self, municipality_id: str, batch_id: UUID) -> dict[str, Any]:
        found = await self._database.pool.fetchval(
            "SELECT remarks FROM batches WHERE municipality_id = $1 AND id = $2", municipality_id, batch_id
        )
        return found or {}

    async def conversation(
        self, municipality_id: str, party_id: str, since: datetime | None, until: datetime | None
    ) -> AsyncIterator[Said]:
        """Everything said to a party, newest first; ``since`` ≤ time < ``until``. Attachments are loaded one message at a time."""
        rows = await self._database.pool.fetch(
            f"""
            SELECT {_STATE}, d.municipality_id, d.channel, d.destination, d.priority, d.created_at, d.updated_at, d.frozen, m.party,
                b.channel AS batch_channel, b.remarks, coalesce(m.content, b.content) AS content,
                CASE WHEN m.content IS NULL THEN b.attachments ELSE m.attachments END AS attachments
            {_JOINED}
            WHERE d.status <> 'routed' AND m.municipality_id = $1 AND m.party_key = $2 AND d.municipality_id = $1 AND b.municipality_id = $1
                AND ($3::timestamptz IS NULL OR d.updated_at >= $3) AND ($4::timestamptz IS NULL OR d.updated_at < $4)
            ORDER BY d.updated_at DESC, d.id DESC
            """,
            municipality_id, self._database.vault.index(municipality_id, party_id), since, until,
        )  # fmt: skip
        for row in rows:
            yield await self._said(municipality_id, row)

    async def _said(self, municipality_id: str, row: Any) -> Said:
        vault = self._database.vault
        content, names = await self._contents.of(row)
        draft = Draft(
            municipality_id=municipality_id,
            content=content,
            recipient=Recipient(
                vault.open(municipality_id, row["destination"]).decode(),
                vault.open(municipality_id, row["party"]).decode() if row["party"] else None,
                row["reference"],
            ),
            attachments=await self._attachments.load(municipality_id, names) if names else (),
            priority=Priority(row["priority"]),
            created_at=row["created_at"],
            frozen=vault.unlock(municipality_id, row["frozen"]) if row["frozen"] is not None else None,
        )
        return Said(row["channel"], row["message_type"], _state(row), draft, row["remarks"] or {}, row["updated_at"])


def _state(row: Any) -> State:
    return State(
        row["id"],
        row["batch_id"],
        row["message_id"],
        row["message_type"],
        Status(row["status"]),
        row["attempts"],
        _reason(row),
        row["reference"],
        row["original_type"],
    )


def _reason(row: Any) -> Reason | None:
    return Reason(row["reason_code"], row["reason"] or "", row["provider_code"]) if row["reason_code"] else None
