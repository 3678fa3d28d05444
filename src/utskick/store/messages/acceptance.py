"""Acceptance: a batch, its messages, its deliveries and their jobs, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from utskick.domain.audit import Action, AuditEntry
from utskick.domain.errors import NotAllowedHere
from utskick.domain.message import NumberedRequest
from utskick.domain.month import month_of
from utskick.store import queue as jobs
from utskick.store.administration import audit
from utskick.store.crypto.columns import Column, MonthKey
from utskick.store.database import Connection, Database
from utskick.store.group_commit import GroupCommit
from utskick.store.messages.attachments import keep, named, refer

#: Rows handed to COPY between two turns of the event loop.
_STRIDE = 500

_MESSAGE_COLUMNS: Final = [
    "municipality_id",
    "batch_id",
    "at",
    "origin",
    "issuer",
    "client",
    "department",
    "ordinal",
    "id",
    "party_key",
    "party",
    "reference",
    "content",
    "attachments",
]
_DELIVERY_COLUMNS: Final = [
    "municipality_id",
    "batch_id",
    "priority",
    "status",
    "created_at",
    "updated_at",
    "expires_at",
    "message_id",
    "id",
    "destination",
    "awaited",
    "channel",
    "message_type",
    "next",
    "secret",
]


class Messages:
    """Writes what was accepted. Single requests that come at the same time share a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._singles: GroupCommit[NumberedRequest, None] = GroupCommit(
            self._write_group, split=(asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
        )

    async def add(self, numbered: NumberedRequest) -> None:
        """Returns when all of it is committed. Raises ``NotAllowedHere`` where the caller's batch
        id is somebody else's."""
        await self.ready(numbered)
        if len(numbered.ids) == 1 and numbered.plan.batch_id is None:
            await self._singles.put(numbered)
            return
        async with self._database.transaction() as connection:
            await self.write(connection, [numbered])

    async def ready(self, numbered: NumberedRequest) -> None:
        """Before ``write``: what it is sealed with is at hand."""
        await self._database.vault.ready(
            numbered.caller.municipality_id, month_of(numbered.created_at)
        )

    def _key(self, numbered: NumberedRequest) -> MonthKey:
        return self._database.vault.of(
            numbered.caller.municipality_id, month_of(numbered.created_at)
        )

    async def _write_group(self, group: Sequence[NumberedRequest]) -> Sequence[None]:
        if any(n.plan.attachments for n in group):
            async with self._database.transaction() as connection:
                await self.write(connection, group)
        else:
            async with self._database.pool.acquire() as connection:
                await self._insert(connection, group)
        return [None] * len(group)

    async def write(self, connection: Connection, group: Sequence[NumberedRequest]) -> None:
        """Everything of these requests, inside the caller's transaction. They have been made
        ``ready``."""
        for numbered in group:
            if numbered.plan.attachments:
                vault, municipality_id = self._database.vault, numbered.caller.municipality_id
                await keep(
                    connection,
                    vault,
                    municipality_id,
                    numbered.plan.attachments,
                    numbered.created_at,
                )
                await refer(connection, vault, municipality_id, _uses(numbered))
        singles = [n for n in group if len(n.ids) == 1 and n.plan.batch_id is None]
        if singles:
            await self._insert(connection, singles)
        for numbered in group:
            if numbered.plan.batch_id is not None or len(numbered.ids) != 1:
                await self._copy(connection, numbered)

    async def _insert(self, connection: Connection, group: Sequence[NumberedRequest]) -> None:
        """Requests of one recipient each: one statement for all rows of all of them."""
        rows = [self._flat(numbered) for numbered in group]
        await connection.execute(
            """
            WITH r AS (
                SELECT * FROM unnest(
                    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                    $11::bytea[], $12::bytea[], $13::jsonb[], $14::timestamptz[],
                    $15::uuid[], $16::bytea[], $17::bytea[], $18::text[],
                    $19::uuid[], $20::bytea[], $21::boolean[], $22::text[], $23::text[], $24::text[], $25::bytea[],
                    $26::timestamptz[], $27::timestamptz[], $28::int[], $29::text[], $30::bytea[], $31::text[], $32::text[], $33::jsonb[],
                    $34::text[])
                AS r(batch_id, municipality_id, channel, message_type, priority, origin, issuer, request_id, department, batch_reference,
                    content, attachments, remarks, created_at, message_id, party_key, party, reference,
                    delivery_id, destination, awaited, leg, leg_type, next, secret, due_at, expires_at, level, lane, payload,
                    client, address, audited, organization_number)),
            b AS (
                INSERT INTO batches (id, municipality_id, channel, message_type, priority, origin, issuer, request_id, department,
                    reference, recipients, content, attachments, remarks, created_at, organization_number)
                SELECT batch_id, municipality_id, channel, message_type, priority, origin, issuer, request_id, department,
                    batch_reference, 1, content, attachments, remarks, created_at, organization_number FROM r),
            m AS (
                INSERT INTO messages (id, municipality_id, batch_id, ordinal, party_key, party, reference, at, origin, issuer, department,
                    client)
                SELECT message_id, municipality_id, batch_id, 0, party_key, party, reference, due_at, origin, issuer, department,
                    client FROM r),
            d AS (
                INSERT INTO deliveries (id, municipality_id, batch_id, message_id, channel, message_type, priority, status, destination,
                    awaited, next, secret, created_at, updated_at, expires_at)
                SELECT delivery_id, municipality_id, batch_id, message_id, leg, leg_type, priority, 'queued', destination,
                    awaited, string_to_array(next, ' '), secret, created_at, created_at, expires_at FROM r),
            j AS (
                INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
                SELECT level, lane, payload, CASE WHEN due_at > created_at THEN due_at ELSE now() END, 'queued' FROM r),
            a AS (
                INSERT INTO audit_entries (municipality_id, at, action, client, origin, issuer, address, request_id, subject)
                SELECT municipality_id, created_at, 'send', client, origin, issuer, address, request_id, audited FROM r)
            SELECT pg_notify('utskick_work', lane) FROM (SELECT DISTINCT lane FROM r) l
            """,
            *map(list, zip(*rows, strict=True)),
        )

    def _batch(self, numbered: NumberedRequest) -> tuple[Any, ...]:
        caller, plan = numbered.caller, numbered.plan
        municipality_id = caller.municipality_id
        own = (
            plan.recipients[0]
            if len(numbered.ids) == 1 and plan.recipients[0].content is not None
            else None
        )
        content = plan.content if own is None else own.content
        refers = named(
            plan.attachments if own is None else [plan.attachments[i] for i in own.files]
        )
        reference = plan.reference
        if (
            plan.batch_id is not None
        ):  # its messages have contents of their own, and nothing of one of them may outlive it
            content, refers, reference = {}, [], None
        seal = self._key(numbered).seal
        return (
            numbered.batch_id,
            municipality_id,
            numbered.channel,
            numbered.message_type,
            plan.priority.value,
            caller.origin,
            caller.issuer,
            caller.request_id,
            plan.department,
            reference,
            seal(Column.CONTENT, orjson.dumps(content)),
            seal(Column.FILES, orjson.dumps(refers)) if refers else None,
            plan.remarks or None,
            numbered.created_at,
        )

    def _message(self, numbered: NumberedRequest, index: int) -> tuple[Any, ...]:
        recipient, vault, municipality_id = (
            numbered.plan.recipients[index],
            self._database.vault,
            numbered.caller.municipality_id,
        )
        party = recipient.party_id
        return (
            numbered.ids[index][0],
            vault.lasting(municipality_id).party(party) if party else None,
            self._key(numbered).seal(Column.PARTY, party.encode()) if party else None,
            recipient.reference or (numbered.plan.reference if len(numbered.ids) == 1 else None),
        )

    def _own(self, numbered: NumberedRequest, index: int) -> tuple[bytes | None, bytes | None]:
        """The content and the names of files of one message, where they are not those of the whole
        batch."""
        plan, seal = numbered.plan, self._key(numbered).seal
        recipient = plan.recipients[index]
        content = (
            recipient.content
            if recipient.content is not None
            else plan.content
            if plan.batch_id is not None
            else None
        )
        if content is None:
            return None, None
        files = (
            plan.attachments
            if recipient.content is None
            else [plan.attachments[i] for i in recipient.files]
        )
        return seal(Column.CONTENT, orjson.dumps(content)), seal(
            Column.FILES, orjson.dumps(named(files))
        ) if files else None

    def _delivery(self, numbered: NumberedRequest, index: int) -> tuple[Any, ...]:
        plan, seal = numbered.plan, self._key(numbered).seal
        recipient, channel = plan.recipients[index], numbered.channel_of(index)
        return (
            numbered.ids[index][1],
            seal(Column.DESTINATION, recipient.destination.encode()),
            numbered.awaited,
            channel,
            numbered.types[channel],
            recipient.legs[1:],
            seal(Column.SECRET, plan.secret) if plan.secret is not None else None,
        )

    def _flat(self, numbered: NumberedRequest) -> tuple[Any, ...]:
        municipality_id, delivery_id = numbered.caller.municipality_id, numbered.ids[0][1]
        *delivery, legs, secret = self._delivery(numbered, 0)
        return (
            *self._batch(numbered),
            *self._message(numbered, 0),
            *delivery,
            " ".join(legs),
            secret,
            numbered.due_at,
            numbered.expires_at,
            jobs.level(numbered.plan.priority),
            numbered.lane(0),
            jobs.payload(municipality_id, delivery_id),
            numbered.caller.client,
            numbered.caller.address,
            audited(numbered),
            numbered.plan.organization_number,
        )

    async def _copy(self, connection: Connection, numbered: NumberedRequest) -> None:
        """Write a batch of many by COPY; rows are made while they are sent."""
        total = await self._add_to_batch(connection, numbered)
        await audit.keep(
            connection,
            [AuditEntry(Action.SEND, numbered.caller, numbered.created_at, audited(numbered))],
        )
        await self._copy_messages(connection, numbered, total)
        await self._copy_deliveries(connection, numbered)
        await self._copy_jobs(connection, numbered)

    async def _add_to_batch(self, connection: Connection, numbered: NumberedRequest) -> int:
        """Insert the batch, or add to one that takes more; returns its number of recipients."""
        *batch, created_at = self._batch(numbered)
        total: int | None = await connection.fetchval(
            """
            INSERT INTO batches AS b (id, municipality_id, channel, message_type, priority, origin,
                issuer, request_id, department, reference, content, attachments, remarks,
                created_at, recipients, organization_number)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $17)
            ON CONFLICT (id, municipality_id) DO UPDATE
                SET recipients = b.recipients + excluded.recipients
                WHERE $16 AND b.channel = excluded.channel
            RETURNING recipients
            """,
            *batch,
            created_at,
            len(numbered.ids),
            numbered.plan.batch_id is not None,
            numbered.plan.organization_number,
        )
        if total is None:
            raise NotAllowedHere("this batchId is taken; use a new UUID for a new batch")
        return total

    async def _copy_messages(
        self, connection: Connection, numbered: NumberedRequest, total: int
    ) -> None:
        caller, count = numbered.caller, len(numbered.ids)
        common = (
            caller.municipality_id,
            numbered.batch_id,
            numbered.due_at,
            caller.origin,
            caller.issuer,
            caller.client,
            numbered.plan.department,
        )
        await connection.copy_records_to_table(
            "messages",
            columns=_MESSAGE_COLUMNS,
            records=_paced(
                (*common, total - count + i, *self._message(numbered, i), *self._own(numbered, i))
                for i in range(count)
            ),
        )

    async def _copy_deliveries(self, connection: Connection, numbered: NumberedRequest) -> None:
        created_at = numbered.created_at
        common = (
            numbered.caller.municipality_id,
            numbered.batch_id,
            numbered.plan.priority.value,
            "queued",
            created_at,
            created_at,
            numbered.expires_at,
        )
        await connection.copy_records_to_table(
            "deliveries",
            columns=_DELIVERY_COLUMNS,
            records=_paced(
                (*common, numbered.ids[i][0], *self._delivery(numbered, i))
                for i in range(len(numbered.ids))
            ),
        )

    async def _copy_jobs(self, connection: Connection, numbered: NumberedRequest) -> None:
        level, due = jobs.level(numbered.plan.priority), numbered.due_at
        if due <= numbered.created_at:  # by the database's clock, which may be behind ours
            due = await connection.fetchval("SELECT now()")
        await connection.copy_records_to_table(
            "pgqueuer",
            columns=("priority", "entrypoint", "execute_after", "status", "payload"),
            records=_paced(
                (
                    level,
                    numbered.lane(i),
                    due,
                    "queued",
                    jobs.payload(numbered.caller.municipality_id, delivery_id),
                )
                for i, (_, delivery_id) in enumerate(numbered.ids)
            ),
        )
        lanes = {numbered.lane(i) for i in range(len(numbered.ids))}
        await connection.execute(
            "SELECT pg_notify('utskick_work', lane) FROM unnest($1::text[]) AS l(lane)", list(lanes)
        )


def audited(numbered: NumberedRequest) -> dict[str, Any]:
    """What the audit trail tells of a request that was accepted."""
    return {
        "type": numbered.message_type,
        "batchId": str(numbered.batch_id),
        "messages": len(numbered.ids),
    }


def _uses(numbered: NumberedRequest) -> Iterator[tuple[UUID, bytes]]:
    """(batch or message, digest) for every file that it names."""
    plan, recipients = numbered.plan, numbered.plan.recipients
    if plan.batch_id is None and (
        len(recipients) == 1 or any(r.content is None for r in recipients)
    ):
        yield from ((numbered.batch_id, file.digest) for file in plan.attachments)
        if len(recipients) == 1:
            return
    for (message_id, _), recipient in zip(numbered.ids, recipients, strict=True):
        if recipient.content is not None:
            yield from ((message_id, plan.attachments[i].digest) for i in recipient.files)
        elif plan.batch_id is not None:
            yield from ((message_id, file.digest) for file in plan.attachments)


async def _paced(rows: Any) -> AsyncIterator[tuple[Any, ...]]:
    for number, row in enumerate(rows):
        if number % _STRIDE == _STRIDE - 1:
            await asyncio.sleep(0)  # other requests get their turn while a large batch is written
        yield row
