"""Deliveries and their events, written past the channels: what feed and webhooks tell of."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from utskick.domain.clock import utc_now
from utskick.domain.ids import new_id
from utskick.store.database import Database

_ADD = """
WITH b AS (
    INSERT INTO batches (id, municipality_id, channel, message_type, priority, origin, recipients, content, created_at)
    VALUES ($1, $4, 'sms', $5, 'NORMAL', $6, 1, '', $7)),
m AS (
    INSERT INTO messages (id, municipality_id, batch_id, ordinal, at, origin, client, reference)
    VALUES ($2, $4, $1, 0, $7, $6, $8, 'ärende 1'))
INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type, priority, status, destination, awaited,
    created_at, updated_at, expires_at)
VALUES ($3, $4, $1, $2, 'sms', 'SMS', 'NORMAL', 'queued', '', false, $7, $7, $7)
"""


async def delivery(
    database: Database,
    municipality: str = "2281",
    kind: str = "SMS",
    origin: str | None = None,
    client: str | None = None,
) -> UUID:
    """A delivery with its message and batch, and no event yet. ``client``: who sent it, None where
    nobody was asked for a token."""
    made = new_id()
    await database.pool.execute(
        _ADD, new_id(), new_id(), made, municipality, kind, origin, utc_now(), client
    )
    return made


async def happens(
    connection: Any, of: UUID, status: str = "sent", municipality: str = "2281", **more: Any
) -> None:
    columns = {
        "municipality_id": municipality,
        "delivery_id": of,
        "status": status,
        "at": utc_now(),
        **more,
    }
    marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    await connection.execute(
        f"INSERT INTO events ({', '.join(columns)}) VALUES ({marks})", *columns.values()
    )
