"""Acceptance: a batch, its messages, its deliveries and their jobs, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from utskick.domain.attachment import Attachment
from utskick.domain.audit import Action, AuditEntry
from utskick.domain.errors import NotAllowedHere
from utskick.domain.leg import stored
from utskick.domain.message import NumberedRequest
from utskick.domain.month import month_of
from utskick.store import queue as jobs
from utskick.store.administration import audit
from utskick.store.crypto.columns import Column, MonthKey
from utskick.store.database import Connection, Database
from utskick.store.group_commit import GroupCommit
from utskick.store.messages.attachments import keep, names_of, refer
from utskick.store.messages.rows import (
    DELIVERY_COLUMNS,
    MESSAGE_COLUMNS,
    NewDelivery,
    NewMessage,
)

#: Rows handed to COPY between two turns of the event loop.
_STRIDE: Final = 500

#: All rows of requests of one recipient each. Parameters: the columns of ``r`` (``_flat``).
_INSERT: Final = f"""
    WITH r AS (
        SELECT * FROM unnest(
            $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::bytea[], $12::bytea[], $13::jsonb[],
            $14::timestamptz[], $15::uuid[], $16::bytea[], $17::bytea[], $18::text[], $19::uuid[],
            $20::bytea[], $21::boolean[], $22::text[], $23::text[], $24::text[], $25::bytea[],
            $26::timestamptz[], $27::timestamptz[], $28::int[], $29::text[], $30::bytea[],
            $31::text[], $32::bytea[], $33::jsonb[], $34::text[])
        AS r(batch_id, municipality_id, channel, message_type, priority, origin, issuer, request_id,
            department, batch_reference, content, attachments, remarks, created_at, message_id,
            party_key, party, reference, delivery_id, destination, awaited, leg, leg_type, next,
            secret, due_at, expires_at, level, lane, payload, client, who, audited,
            organization_number)),
    b AS (
        INSERT INTO batches (id, municipality_id, channel, message_type, priority, origin, issuer,
            request_id, department, reference, recipients, content, attachments, remarks,
            created_at, organization_number)
        SELECT batch_id, municipality_id, channel, message_type, priority, origin, issuer,
            request_id, department, batch_reference, 1, content, attachments, remarks, created_at,
            organization_number FROM r),
    m AS (
        INSERT INTO messages ({MESSAGE_COLUMNS})
        SELECT message_id, municipality_id, batch_id, 0, due_at, origin, issuer, client, department,
            party_key, party, reference, NULL, NULL FROM r),
    d AS (
        INSERT INTO deliveries ({DELIVERY_COLUMNS}, secret)
        SELECT delivery_id, municipality_id, batch_id, message_id, leg, leg_type, priority,
            destination, created_at, created_at, expires_at, awaited, string_to_array(next, ' '),
            'queued', secret FROM r),
    j AS (
        INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
        SELECT level, lane, payload, CASE WHEN due_at > created_at THEN due_at ELSE now() END,
            'queued' FROM r),
    a AS (
        INSERT INTO audit_entries (municipality_id, at, action, client, origin, request_id,
            subject, who)
        SELECT municipality_id, created_at, 'send', client, origin, request_id, audited, who
        FROM r)
    SELECT pg_notify('utskick_work', lane) FROM (SELECT DISTINCT lane FROM r) l
"""  # noqa: S608


class Messages:
    """Writer of accepted requests. Single ones that come at the same time share a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._singles: GroupCommit[NumberedRequest, None] = GroupCommit(
            self._write_group, split=(asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
        )

    async def add(self, numbered: NumberedRequest) -> None:
        """Commit a request with all its rows.

        Raises ``NotAllowedHere`` where the caller's batch id belongs to another batch.
        """
        await self.ready(numbered)
        if _is_single(numbered):
            await self._singles.put(numbered)
            return
        async with self._database.transaction() as connection:
            await self.write(connection, [numbered])

    async def ready(self, numbered: NumberedRequest) -> None:
        """Fetch the keys that ``write`` encrypts with."""
        month = month_of(numbered.created_at)
        vault, municipality_id = self._database.vault, numbered.caller.municipality_id
        await vault.ready(municipality_id, month)
        await vault.callers.ready(municipality_id, numbered.created_at)

    def _key(self, numbered: NumberedRequest) -> MonthKey:
        month = month_of(numbered.created_at)
        return self._database.vault.of(numbered.caller.municipality_id, month)

    async def _write_group(self, group: Sequence[NumberedRequest]) -> Sequence[None]:
        if any(n.plan.attachments for n in group):
            async with self._database.transaction() as connection:
                await self.write(connection, group)
        else:
            async with self._database.pool.acquire() as connection:
                await self._insert(connection, group)
        return [None] * len(group)

    async def write(self, connection: Connection, group: Sequence[NumberedRequest]) -> None:
        """Write all rows of these requests, inside the caller's transaction.

        They have been made ``ready``.
        """
        vault = self._database.vault
        for numbered in group:
            if files := numbered.plan.attachments:
                municipality_id = numbered.caller.municipality_id
                await keep(connection, vault, municipality_id, files, numbered.created_at)
                await refer(connection, vault, municipality_id, _uses(numbered))
        if singles := [n for n in group if _is_single(n)]:
            await self._insert(connection, singles)
        for numbered in group:
            if not _is_single(numbered):
                await self._copy(connection, numbered)

    async def _insert(self, connection: Connection, group: Sequence[NumberedRequest]) -> None:
        rows = [self._flat(numbered) for numbered in group]
        await connection.execute(_INSERT, *map(list, zip(*rows, strict=True)))

    def _batch(self, numbered: NumberedRequest) -> tuple[Any, ...]:
        caller, plan = numbered.caller, numbered.plan
        content, files = stored(plan.content, plan.legs), plan.attachments
        reference = plan.reference
        if plan.batch_id is not None:
            # Its messages have contents of their own, and nothing of a message may outlive it.
            content, files, reference = {}, (), None
        elif len(numbered.ids) == 1 and (first := plan.recipients[0]).content is not None:
            content = stored(first.content, first.own_legs)
            files = tuple(plan.attachments[i] for i in first.files)
        encrypt = self._key(numbered).encrypt
        return (
            numbered.batch_id,
            caller.municipality_id,
            numbered.channel,
            numbered.message_type,
            plan.priority.value,
            caller.origin,
            caller.issuer,
            caller.request_id,
            plan.department,
            reference,
            encrypt(Column.CONTENT, orjson.dumps(content), numbered.batch_id),
            encrypt(Column.FILES, orjson.dumps(names_of(files))) if files else None,
            plan.remarks or None,
            numbered.created_at,
        )

    def _message(
        self, numbered: NumberedRequest, index: int
    ) -> tuple[UUID, bytes | None, bytes | None, str | None]:
        """Return id, key and id of the party, and reference of a message."""
        plan, recipient = numbered.plan, numbered.plan.recipients[index]
        party = recipient.party_id
        lasting = self._database.vault.lasting(numbered.caller.municipality_id)
        return (
            numbered.ids[index][0],
            lasting.party(party) if party else None,
            self._key(numbered).encrypt(Column.PARTY, party.encode()) if party else None,
            recipient.reference or (plan.reference if len(numbered.ids) == 1 else None),
        )

    def _own(self, numbered: NumberedRequest, index: int) -> tuple[bytes | None, bytes | None]:
        """Return content and file references of a message, where they are not the batch's."""
        plan, recipient = numbered.plan, numbered.plan.recipients[index]
        files: Sequence[Attachment]
        if recipient.content is not None:
            content = stored(recipient.content, recipient.own_legs)
            files = [plan.attachments[i] for i in recipient.files]
        elif plan.batch_id is not None:
            content, files = stored(plan.content, plan.legs), plan.attachments
        else:
            return None, None
        encrypt, message_id = self._key(numbered).encrypt, numbered.ids[index][0]
        return (
            encrypt(Column.CONTENT, orjson.dumps(content), message_id),
            encrypt(Column.FILES, orjson.dumps(names_of(files))) if files else None,
        )

    def _secret(self, numbered: NumberedRequest) -> bytes | None:
        secret = numbered.plan.secret
        return self._key(numbered).encrypt(Column.SECRET, secret) if secret is not None else None

    def _destination(self, numbered: NumberedRequest, index: int) -> bytes:
        destination, row = numbered.plan.recipients[index].destination, numbered.ids[index][1]
        return self._key(numbered).encrypt(Column.DESTINATION, destination.encode(), row)

    def _who(self, numbered: NumberedRequest) -> bytes | None:
        """Return user and address of the caller, sealed for the audit log."""
        caller = numbered.caller
        return self._database.vault.callers.seal(
            caller.municipality_id, numbered.created_at, caller.issuer, caller.address
        )

    def _flat(self, numbered: NumberedRequest) -> tuple[Any, ...]:
        """Return the parameters of ``_INSERT`` for one request."""
        caller, delivery_id = numbered.caller, numbered.ids[0][1]
        channel = numbered.channel_of(0)
        return (
            *self._batch(numbered),
            *self._message(numbered, 0),
            delivery_id,
            self._destination(numbered, 0),
            numbered.awaited,
            channel,
            numbered.types[channel],
            " ".join(numbered.plan.recipients[0].legs[1:]),
            self._secret(numbered),
            numbered.due_at,
            numbered.expires_at,
            jobs.level(numbered.plan.priority),
            numbered.lane(0),
            jobs.payload(caller.municipality_id, delivery_id),
            caller.client,
            self._who(numbered),
            audited(numbered),
            numbered.plan.organization_number,
        )

    async def _copy(self, connection: Connection, numbered: NumberedRequest) -> None:
        """Write a batch of many by COPY; rows are made while they are sent."""
        total = await self._add_to_batch(connection, numbered)
        entry = AuditEntry(
            Action.SEND,
            numbered.caller,
            numbered.created_at,
            audited(numbered),
            self._who(numbered),
        )
        await audit.keep(connection, [entry])
        await connection.copy_records_to_table(
            "messages",
            columns=NewMessage._fields,
            records=_yielding(self._new_messages(numbered, total - len(numbered.ids))),
        )
        await connection.copy_records_to_table(
            "deliveries",
            columns=(*NewDelivery._fields, "secret"),
            records=_yielding(self._new_deliveries(numbered)),
        )
        await self._copy_jobs(connection, numbered)

    async def _add_to_batch(self, connection: Connection, numbered: NumberedRequest) -> int:
        """Insert the batch, or add to one that accepts more. Returns its number of recipients."""
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

    def _new_messages(self, numbered: NumberedRequest, first: int) -> Iterator[NewMessage]:
        """``first``: the ordinal of the first message."""
        caller, plan = numbered.caller, numbered.plan
        for index in range(len(numbered.ids)):
            message_id, party_key, party, reference = self._message(numbered, index)
            content, attachments = self._own(numbered, index)
            yield NewMessage(
                message_id,
                caller.municipality_id,
                numbered.batch_id,
                first + index,
                numbered.due_at,
                caller.origin,
                caller.issuer,
                caller.client,
                plan.department,
                party_key,
                party,
                reference,
                content,
                attachments,
            )

    def _new_deliveries(self, numbered: NumberedRequest) -> Iterator[tuple[Any, ...]]:
        """Rows of ``NewDelivery`` with their secret."""
        for index, (message_id, delivery_id) in enumerate(numbered.ids):
            channel = numbered.channel_of(index)
            row = NewDelivery(
                delivery_id,
                numbered.caller.municipality_id,
                numbered.batch_id,
                message_id,
                channel,
                numbered.types[channel],
                numbered.plan.priority.value,
                self._destination(numbered, index),
                numbered.created_at,
                numbered.created_at,
                numbered.expires_at,
                numbered.awaited,
                numbered.plan.recipients[index].legs[1:],
            )
            yield (*row, self._secret(numbered))

    async def _copy_jobs(self, connection: Connection, numbered: NumberedRequest) -> None:
        level, due = jobs.level(numbered.plan.priority), numbered.due_at
        if due <= numbered.created_at:  # by the database's clock, which may be behind this one
            due = await connection.fetchval("SELECT now()")
        municipality_id = numbered.caller.municipality_id
        await connection.copy_records_to_table(
            "pgqueuer",
            columns=("priority", "entrypoint", "execute_after", "status", "payload"),
            records=_yielding(
                (level, numbered.lane(i), due, "queued", jobs.payload(municipality_id, delivery_id))
                for i, (_, delivery_id) in enumerate(numbered.ids)
            ),
        )
        lanes = {numbered.lane(i) for i in range(len(numbered.ids))}
        await connection.execute(
            "SELECT pg_notify('utskick_work', lane) FROM unnest($1::text[]) AS l(lane)", list(lanes)
        )


def audited(numbered: NumberedRequest) -> dict[str, Any]:
    """Return what the audit log records of an accepted request."""
    return {
        "type": numbered.message_type,
        "batchId": str(numbered.batch_id),
        "messages": len(numbered.ids),
    }


def _is_single(numbered: NumberedRequest) -> bool:
    return len(numbered.ids) == 1 and numbered.plan.batch_id is None


def _uses(numbered: NumberedRequest) -> Iterator[tuple[UUID, bytes]]:
    """Yield (batch or message, digest) for every file that it refers to."""
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


async def _yielding(rows: Any) -> AsyncIterator[tuple[Any, ...]]:
    """Give other requests their turn while a large batch is written."""
    for number, row in enumerate(rows):
        if number % _STRIDE == _STRIDE - 1:
            await asyncio.sleep(0)
        yield row
