"""Histories written directly: batches with messages, deliveries, events, receipts and files.

They are as old as a test needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import orjson

from utskick.domain.attachment import Attachment
from utskick.domain.ids import new_id
from utskick.domain.month import month_of
from utskick.store.crypto.columns import Column
from utskick.store.database import Database
from utskick.store.messages.attachments import keep, refer

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MID, OTHER = "2281", "2260"


@dataclass(frozen=True, slots=True)
class Told:
    """A message of a batch.

    ``statuses``: one of each of its deliveries. ``days``: how long ago. ``file``: of its own.
    ``department``: of the sender.
    """

    statuses: tuple[str, ...] = ("sent",)
    days: float = 100
    party: UUID | None = None
    file: str | None = None
    department: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """Ids of a batch and of its messages."""

    id: UUID
    messages: tuple[UUID, ...]


class Histories:
    def __init__(self, database: Database, municipality_id: str = MID) -> None:
        self.database, self.mid = database, municipality_id
        self.month = month_of(NOW)
        self._texts: dict[bytes, str] = {}

    async def encrypt(self, column: Column, plain: bytes) -> bytes:
        vault, month = self.database.vault, self.month
        await vault.ready(self.mid, month)
        return vault.of(self.mid, month).encrypt(column, plain)

    async def batch(
        self,
        *told: Told,
        kind: str = "SMS",
        file: str | None = None,
        origin: str | None = None,
        imported: bool = False,
        organization: str | None = None,
    ) -> Written:
        """Write a batch. ``file``: the text of one that all its messages share."""
        batch_id, pool = new_id(), self.database.pool
        oldest = NOW - timedelta(days=max((each.days for each in told), default=100))
        await pool.execute(
            """
            INSERT INTO batches (id, municipality_id, channel, message_type, priority, origin,
                recipients, content, attachments, created_at,
                imported, organization_number) VALUES ($1, $2, 'sms', $3, 'NORMAL', $4, $5, $6, $7,
                    $8, $9, $10)
            """,
            batch_id,
            self.mid,
            kind,
            origin,
            len(told),
            await self.encrypt(Column.CONTENT, orjson.dumps({"message": "Hej"})),
            await self.named(file, batch_id) if file else None,
            oldest,
            imported,
            organization,
        )
        return Written(
            batch_id,
            tuple([await self._message(batch_id, kind, n, each) for n, each in enumerate(told)]),
        )

    async def _message(self, batch_id: UUID, kind: str, ordinal: int, told: Told) -> UUID:
        pool, message_id, at = self.database.pool, new_id(), NOW - timedelta(days=told.days)
        key = await self.database.vault.index(self.mid, str(told.party)) if told.party else None
        await pool.execute(
            """
            INSERT INTO messages (id, municipality_id, batch_id, ordinal, party_key, party, at,
                origin, content, attachments, department)
            SELECT $1, $2, $3, $4, $5, $6, $7, b.origin, $8, $9, $10 FROM batches b WHERE b.id = $3
            """,
            message_id,
            self.mid,
            batch_id,
            ordinal,
            key,
            await self.encrypt(Column.PARTY, str(told.party).encode()) if told.party else None,
            at,
            await self.encrypt(Column.CONTENT, b'{"message":"Hej"}') if told.file else None,
            await self.named(told.file, message_id) if told.file else None,
            told.department,
        )
        for status in told.statuses:
            delivery_id = new_id()
            await pool.execute(
                """
                INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel,
                    message_type, priority, status, destination,
                    awaited, attempts, created_at, updated_at, expires_at) VALUES
                    ($1, $2, $3, $4, 'sms', $5, 'NORMAL', $6, $7, false, 1, $8, $8, $8)
                """,
                delivery_id,
                self.mid,
                batch_id,
                message_id,
                kind,
                status,
                await self.encrypt(Column.DESTINATION, b"+46701740605"),
                at,
            )
            await pool.execute(
                "INSERT INTO attempts (delivery_id, number, municipality_id, account, worker, "
                "started_at) VALUES ($1, 1, $2, 'l', 'w', $3)",
                delivery_id,
                self.mid,
                at,
            )
            await pool.execute(
                "INSERT INTO part_references (delivery_id, attempt, part, municipality_id, account,"
                " reference) SELECT $1, 1, part, $2, 'l', part FROM generate_series(1, 2) part",
                delivery_id,
                self.mid,
            )
            if status not in ("queued", "sending"):
                await self.event(delivery_id, status, at)
            await pool.execute(
                """
                INSERT INTO receipts (id, municipality_id, channel, account, delivery_id, report,
                    received_at, state)
                VALUES ($1, $2, 'sms', 'link', $3, 'sent', $4, 'superseded')
                """,
                new_id(),
                self.mid,
                delivery_id,
                at,
            )
        return message_id

    async def event(self, delivery_id: UUID, status: str, at: datetime = NOW) -> None:
        await self.database.pool.execute(
            "INSERT INTO events (municipality_id, delivery_id, attempt, status, at)"
            " VALUES ($1, $2, 1, $3, $4)",
            self.mid,
            delivery_id,
            status,
            at,
        )

    async def named(self, text: str, owner: UUID) -> bytes:
        """Store a file of this text once. Returns how its owner refers to it."""
        file, vault = Attachment.of("fil.txt", "text/plain", text.encode()), self.database.vault
        await vault.ready(self.mid)
        self._texts[vault.lasting(self.mid).file(file.digest)] = text
        async with self.database.transaction() as connection:
            await keep(connection, vault, self.mid, [file], NOW)
            await refer(connection, vault, self.mid, [(owner, file.digest)])
        return await self.encrypt(
            Column.FILES,
            orjson.dumps(
                [{"name": file.name, "type": file.content_type, "digest": file.digest.hex()}]
            ),
        )

    async def messages(self) -> set[UUID]:
        return await self._ids("messages", "id")

    async def _ids(self, table: str, column: str) -> set[UUID]:
        return {
            row[0]
            for row in await self.database.pool.fetch(
                f"SELECT {column} FROM {table} WHERE municipality_id = $1", self.mid
            )
        }

    async def files(self) -> set[str]:
        rows = await self.database.pool.fetch(
            "SELECT digest FROM attachments WHERE municipality_id = $1", self.mid
        )
        return {self._texts.get(row["digest"], "a file of somebody else") for row in rows}

    async def orphans(self) -> dict[str, int]:
        """Return rows that belong to nothing, by table: every one is a fault."""
        counted = {}
        for name, sql in ORPHANS.items():
            counted[name] = await self.database.pool.fetchval(f"SELECT count(*) FROM {sql}")
        return {name: count for name, count in counted.items() if count}


ORPHANS = {
    "messages": "messages m WHERE NOT EXISTS (SELECT FROM batches b WHERE b.id = m.batch_id)",
    "batches": "batches b WHERE NOT EXISTS (SELECT FROM messages m WHERE m.batch_id = b.id)",
    "deliveries": "deliveries d"
    " WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = d.message_id)",
    **{
        table: f"{table} t WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.id = t.delivery_id)"
        for table in ("attempts", "events", "receipts", "part_references")
    },
    "files without use": "attachments a"
    " WHERE NOT EXISTS (SELECT FROM attachment_uses u WHERE u.digest = a.digest)",
    "uses without file": "attachment_uses u"
    " WHERE NOT EXISTS (SELECT FROM attachments a WHERE a.digest = u.digest)",
    "uses without owner": "attachment_uses u"
    " WHERE NOT EXISTS (SELECT FROM batches WHERE id = u.owner)"
    " AND NOT EXISTS (SELECT FROM messages WHERE id = u.owner)",
    "print batches": "print_batches p"
    " WHERE NOT EXISTS (SELECT FROM batches b WHERE b.id = p.batch_id)",
}


def some(count: int, told: Told) -> Sequence[Told]:
    return [told] * count


def anybody() -> UUID:
    return uuid4()
