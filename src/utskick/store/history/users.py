"""What a user has had sent: batches and messages by the name that X-Sent-By gave, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from utskick.store.database import Database
from utskick.store.messages.print_batches import HAND_OVER


@dataclass(frozen=True, slots=True)
class User:
    """``since``: nothing older is listed."""

    municipality_id: str
    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PageRequest:
    """``start``: how many come before it; ``limit``: how many it may hold."""

    start: int
    limit: int


@dataclass(frozen=True, slots=True)
class Sending:
    """A batch of a user. ``successful``, ``unsuccessful`` and ``pending`` count messages, by the
    best that became of one.

    ``example``: a message that may have a subject or files; None where no message of the batch can.
    """

    batch_id: UUID
    message_type: str
    at: datetime
    recipients: int
    successful: int
    unsuccessful: int
    pending: int
    example: UUID | None


#: Types whose messages have a subject or files (contract 9.1), and the requests that may come to
#: one.
_TELLING: Final = ("DIGITAL_MAIL", "EMAIL", "SNAIL_MAIL", "WEB_MESSAGE", "DIGITAL_INVOICE")
_MUTE: Final = ("SMS", "SLACK", "PUSH")
_ON_THE_WAY: Final = ("queued", "sending", "deferred", "gathered", "uncertain")


class Users:
    """Reads only. Every statement is bound to a municipality."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def batches(self, user: User, page: PageRequest) -> tuple[int, list[UUID]]:
        """How many there are, and the page's, newest first."""
        where = f"municipality_id = $1 AND issuer = $2 AND created_at >= $3 AND message_type <> '{HAND_OVER}'"
        pool = self._database.of(user.municipality_id)
        total = await pool.fetchval(
            f"SELECT count(*) FROM batches WHERE {where}",  # noqa: S608
            user.municipality_id,
            user.name,
            user.since,
        )
        rows = await pool.fetch(
            f"SELECT id FROM batches WHERE {where} ORDER BY created_at DESC, id DESC OFFSET $4 LIMIT $5",  # noqa: S608
            user.municipality_id,
            user.name,
            user.since,
            page.start,
            page.limit,
        )
        return total, [row["id"] for row in rows]

    async def sendings(self, municipality_id: str, batch_ids: Sequence[UUID]) -> list[Sending]:
        """These batches, in their order."""
        rows = await self._database.of(municipality_id).fetch(
            """
            SELECT b.id, b.message_type, b.recipients, b.created_at, coalesce(t.at, b.created_at) AS at, n.*, e.message_id AS example
            FROM unnest($2::uuid[]) WITH ORDINALITY AS w(id, place)
            CROSS JOIN LATERAL (
                SELECT * FROM batches WHERE id = w.id AND municipality_id = $1 OFFSET 0) b
            LEFT JOIN LATERAL (
                SELECT at FROM messages m WHERE m.batch_id = b.id AND m.municipality_id = $1 AND m.ordinal = 0 LIMIT 1) t ON true
            CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE s.sent) AS successful, count(*) FILTER (WHERE NOT s.sent AND s.on_the_way) AS pending,
                    count(*) FILTER (WHERE NOT s.sent AND NOT s.on_the_way) AS unsuccessful
                FROM (
                    SELECT bool_or(d.status IN ('sent', 'delivered')) AS sent, bool_or(d.status = ANY($3::text[])) AS on_the_way
                    FROM deliveries d WHERE d.batch_id = b.id AND d.municipality_id = $1 AND d.status <> 'routed'
                    GROUP BY d.message_id) s) n
            LEFT JOIN LATERAL (
                SELECT d.message_id FROM deliveries d
                WHERE d.batch_id = b.id AND d.municipality_id = $1 AND d.message_type = ANY($4::text[])
                    AND b.message_type <> ALL($5::text[])
                ORDER BY d.message_id LIMIT 1) e ON true
            ORDER BY w.place
            """,
            municipality_id,
            list(batch_ids),
            list(_ON_THE_WAY),
            list(_TELLING),
            list(_MUTE),
        )
        return [_sending(row) for row in rows]

    async def messages(
        self, user: User, page: PageRequest, batch_id: UUID | None
    ) -> tuple[int, list[UUID]]:
        """How many there are, and the page's, newest first."""
        where = "municipality_id = $1 AND issuer = $2 AND at >= $3" + (
            " AND batch_id = $4" if batch_id else ""
        )
        given: list[Any] = [
            user.municipality_id,
            user.name,
            user.since,
            *([batch_id] if batch_id else []),
        ]
        pool, number = self._database.of(user.municipality_id), len(given)
        total = await pool.fetchval(f"SELECT count(*) FROM messages WHERE {where}", *given)  # noqa: S608
        rows = await pool.fetch(
            f"SELECT id FROM messages WHERE {where} ORDER BY at DESC, id DESC OFFSET ${number + 1} LIMIT ${number + 2}",  # noqa: S608
            *given,
            page.start,
            page.limit,
        )
        return total, [row["id"] for row in rows]

    async def sent(self, municipality_id: str, name: str, message_id: UUID) -> bool:
        """Whether the message is of this user, however old."""
        found = await self._database.of(municipality_id).fetchval(
            "SELECT true FROM messages WHERE municipality_id = $1 AND id = $2 AND issuer = $3",
            municipality_id,
            message_id,
            name,
        )
        return bool(found)


def _sending(row: Any) -> Sending:
    return Sending(
        row["id"],
        row["message_type"],
        row["at"],
        row["recipients"],
        row["successful"],
        row["unsuccessful"],
        row["pending"],
        row["example"],
    )
