"""The log of what was removed: rows are added in the transaction that removes.

They are never changed (a trigger enforces it), say how much, when and by which decision or order,
and describe nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from utskick.store.database import Connection, Database
from utskick.store.retention.purge import RemovalCounts


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something was removed: a rule, or an order to erase.

    Of a rule: type, days, decision. Of an order: actor, reference.
    """

    kind: Literal["retention", "erasure"]
    message_type: str | None = None
    days: int | None = None
    decision: str | None = None
    actor: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class RetentionLogEntry:
    """An entry of the log."""

    at: datetime
    cause: Cause
    removed: RemovalCounts


async def note(connection: Connection, municipality_id: str, entry: RetentionLogEntry) -> None:
    """Add an entry, inside the transaction that it records."""
    cause, gone = entry.cause, entry.removed
    await connection.execute(
        """
        INSERT INTO retention_protocol (municipality_id, at, kind, message_type, days, decision,
            actor, reference,
            messages, deliveries, batches, files, entries, oldest, newest)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        """,
        municipality_id,
        entry.at,
        cause.kind,
        cause.message_type,
        cause.days,
        cause.decision,
        cause.actor,
        cause.reference,
        gone.messages,
        gone.deliveries,
        gone.batches,
        gone.files,
        gone.entries,
        gone.oldest,
        gone.newest,
    )


class Protocol:
    """Reader of the log. Every statement is bound to a municipality."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, municipality_id: str, start: int, limit: int
    ) -> tuple[int, list[RetentionLogEntry]]:
        """Return how many entries there are, and a page of them, newest first."""
        total = await self._database.of(municipality_id).fetchval(
            "SELECT count(*) FROM retention_protocol WHERE municipality_id = $1", municipality_id
        )
        rows = await self._database.of(municipality_id).fetch(
            "SELECT * FROM retention_protocol WHERE municipality_id = $1"
            " ORDER BY id DESC OFFSET $2 LIMIT $3",
            municipality_id,
            start,
            limit,
        )
        return total, [_entry(row) for row in rows]


def _entry(row: Any) -> RetentionLogEntry:
    cause = Cause(
        row["kind"],
        row["message_type"],
        row["days"],
        row["decision"],
        row["actor"],
        row["reference"],
    )
    removed = RemovalCounts(
        row["messages"],
        row["deliveries"],
        row["batches"],
        row["files"],
        row["entries"],
        row["oldest"],
        row["newest"],
    )
    return RetentionLogEntry(row["at"], cause, removed)
