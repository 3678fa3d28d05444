"""Import of another system's records: each delivery once, whatever is interrupted and repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

from utskick.domain.channel import Priority
from utskick.domain.clock import SWEDEN
from utskick.domain.errors import NotAllowedHere
from utskick.domain.imported import Record
from utskick.domain.month import month_of
from utskick.domain.status import contract_status
from utskick.store.crypto.columns import Column, MonthKey
from utskick.store.database import Connection, Database
from utskick.store.messages.attachments import keep, names_of, refer
from utskick.store.messages.rows import NewDelivery, NewMessage

_LOCK: Final = (
    # any number of this application's: two imports at once would count a batch's messages twice
    7_318_302_582
)
_ERASED: Final = "at: the content of that month has been erased"


#: What an imported delivery has beside the columns of every delivery.
_RECORDED: Final = ("reference", "reason_code", "reason", "recorded", "recorded_files")


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that cannot be imported. ``reason`` repeats nothing of its content."""

    line: int
    delivery_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """The result of an import: new records, known ones, and rejected ones."""

    new: int
    known: int
    refused: tuple[RejectedRecord, ...]


@dataclass(frozen=True, slots=True)
class _KnownIds:
    """The rows of the database with the ids that some records have."""

    deliveries: Mapping[UUID, Any]
    messages: Mapping[UUID, Any]
    batches: Mapping[tuple[str, UUID], Any]


class Records:
    """Importer of records. ``channels``: the channel of each message type."""

    def __init__(self, database: Database, channels: Mapping[str, str]) -> None:
        self._database = database
        self._channels = channels

    async def take(self, records: Sequence[Record], now: datetime) -> ImportCounts:
        """Import records in one transaction.

        Raises ``NotAllowedHere`` while another import runs.
        """
        for municipality_id in {record.municipality_id for record in records}:
            months = {
                month_of(record.at)
                for record in records
                if record.municipality_id == municipality_id
            }
            await self._database.vault.ready(municipality_id, *months)
        readable, erased = list[Record](), list[Record]()
        for record in records:
            (
                erased
                if self._database.vault.is_erased(record.municipality_id, month_of(record.at))
                else readable
            ).append(record)
        async with self._database.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                raise NotAllowedHere(
                    "another import into this database is running; wait for it, or stop it"
                )
            known = await _known(connection, readable)
            new, known_count, refused = _sorted(readable, known)
            if new:
                await self._write(connection, new, known, now)
            return ImportCounts(
                len(new),
                known_count,
                (*refused, *(RejectedRecord(r.line, r.delivery_id, _ERASED) for r in erased)),
            )

    async def _write(
        self, connection: Connection, new: Sequence[Record], known: _KnownIds, now: datetime
    ) -> None:
        for municipality_id in {record.municipality_id for record in new}:
            uses = [
                (record.message_id, f)
                for record in new
                if record.municipality_id == municipality_id
                for f in record.content.files
            ]
            await keep(
                connection, self._database.vault, municipality_id, [file for _, file in uses], now
            )
            await refer(
                connection,
                self._database.vault,
                municipality_id,
                ((message_id, file.digest) for message_id, file in uses),
            )
        messages = {
            record.message_id: record
            for record in reversed(new)
            if record.message_id not in known.messages
        }
        ordinals = await self._batches(connection, new, list(reversed(messages.values())))
        await connection.copy_records_to_table(
            "messages",
            columns=NewMessage._fields,
            records=[
                self._message(record, ordinals[record.message_id]) for record in messages.values()
            ],
        )
        await connection.copy_records_to_table(
            "deliveries",
            columns=(*NewDelivery._fields, *_RECORDED),
            records=[self._delivery(record) for record in new],
        )
        await _tally(
            connection,
            new,
            {
                **{m: r["at"] for m, r in known.messages.items()},
                **{m: r.at for m, r in messages.items()},
            },
        )

    async def _batches(
        self, connection: Connection, new: Sequence[Record], messages: Sequence[Record]
    ) -> dict[UUID, int]:
        """Add batches, or grow existing ones; they are as old as their oldest message.

        Returns the ordinal of each message in its batch.
        """
        firsts = {record.batch: record for record in reversed(new)}
        begun = {
            record.batch: record.at
            for record in sorted(new, key=lambda record: record.at, reverse=True)
        }
        grown = Counter(record.batch for record in messages)
        rows = await connection.fetch(
            """
            INSERT INTO batches AS b (id, municipality_id, channel, message_type, priority, origin,
                issuer, department, recipients, content,
                created_at, imported)
            SELECT id, municipality_id, channel, message_type, 'NORMAL', origin, issuer,
                department, recipients, $9, at, true
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::int[], $10::timestamptz[])
                AS r(id, municipality_id, channel, message_type, origin, issuer, department,
                    recipients, at)
            ON CONFLICT (id, municipality_id) DO UPDATE
                SET recipients = b.recipients + excluded.recipients,
                created_at = least(b.created_at, excluded.created_at)
            RETURNING municipality_id, id, recipients
            """,
            [r.batch_id for r in firsts.values()],
            [r.municipality_id for r in firsts.values()],
            [self._channels[r.original_type] for r in firsts.values()],
            [r.original_type for r in firsts.values()],
            [r.origin for r in firsts.values()],
            [r.issuer for r in firsts.values()],
            [r.department for r in firsts.values()],
            [grown[batch] for batch in firsts],
            b"{}",
            [begun[batch] for batch in firsts],
        )
        places = {
            (batch := (row["municipality_id"], row["id"])): row["recipients"] - grown[batch]
            for row in rows
        }
        ordinals = {}
        for record in messages:
            ordinals[record.message_id] = places[record.batch]
            places[record.batch] += 1
        return ordinals

    def _message(self, record: Record, ordinal: int) -> NewMessage:
        municipality_id, party = record.municipality_id, record.party_id
        index = self._database.vault.lasting(municipality_id).party
        return NewMessage(
            record.message_id,
            municipality_id,
            record.batch_id,
            ordinal,
            record.at,
            record.origin,
            record.issuer,
            department=record.department,
            party_key=index(party) if party else None,
            party=self._key(record).encrypt(Column.PARTY, party.encode()) if party else None,
        )

    def _delivery(self, record: Record) -> tuple[Any, ...]:
        encrypt, reason, files = self._key(record).encrypt, record.reason, record.content.files
        row = NewDelivery(
            record.delivery_id,
            record.municipality_id,
            record.batch_id,
            record.message_id,
            self._channels[record.message_type],
            record.message_type,
            Priority.NORMAL.value,
            encrypt(Column.DESTINATION, record.destination.encode(), record.delivery_id),
            record.at,
            record.at,
            record.at,
            status=record.status.value,
        )
        return (
            *row,
            record.reference,
            reason.code if reason else None,
            reason.sentence if reason else None,
            encrypt(Column.RECORDED, orjson.dumps(record.content.members)),
            encrypt(Column.FILES, orjson.dumps(names_of(files))) if files else None,
        )

    def _key(self, record: Record) -> MonthKey:
        return self._database.vault.of(record.municipality_id, month_of(record.at))


def _further(record: Record) -> Record:
    """Return the record with an id of its own, always the same.

    A delivery id that the other system gave twice stands for two deliveries (contract Q17).
    """
    return replace(
        record,
        delivery_id=uuid5(
            record.delivery_id, f"{record.message_type}/{record.status}/{record.at.isoformat()}"
        ),
    )


#: Until the transaction ends, ``retention.purge`` removes none of them.
_MESSAGES: Final = """
    SELECT id, municipality_id, batch_id, at FROM messages WHERE id = ANY($1::uuid[]) FOR KEY SHARE
"""
_DELIVERIES: Final = """
    SELECT d.id, d.municipality_id, d.message_type, d.status, d.created_at,
        d.recorded IS NOT NULL AS recorded
    FROM deliveries d WHERE d.id = ANY($1::uuid[])
"""


async def _known(connection: Connection, records: Sequence[Record]) -> _KnownIds:
    async def rows(statement: str, ids: Iterable[UUID]) -> dict[UUID, Any]:
        return {row["id"]: row for row in await connection.fetch(statement, list(set(ids)))}

    deliveries = await rows(_DELIVERIES, (r.delivery_id for r in records))
    given = Counter(r.delivery_id for r in records)
    taken = [r for r in records if given[r.delivery_id] > 1 or r.delivery_id in deliveries]
    batches = await connection.fetch(
        "SELECT id, municipality_id, imported FROM batches WHERE id = ANY($1::uuid[])",
        list({r.batch_id for r in records}),
    )
    return _KnownIds(
        {
            **deliveries,
            **(await rows(_DELIVERIES, (_further(r).delivery_id for r in taken)) if taken else {}),
        },
        await rows(_MESSAGES, (r.message_id for r in records)),
        {(row["municipality_id"], row["id"]): row for row in batches},
    )


def _sorted(
    records: Sequence[Record], known: _KnownIds
) -> tuple[list[Record], int, list[RejectedRecord]]:
    """Return new records, the number of known ones, and rejected ones."""
    new: dict[UUID, Record] = {}
    messages: dict[UUID, Record] = {}
    known_count, refused = 0, list[RejectedRecord]()
    for record in records:
        if (fault := _fault(record, known, messages)) is not None:
            refused.append(RejectedRecord(record.line, record.delivery_id, fault))
            continue
        placed = record if _fits(record, new, known) else _further(record)
        if not _fits(placed, new, known):
            refused.append(
                RejectedRecord(
                    record.line, record.delivery_id, "delivery_id: belongs to another delivery here"
                )
            )
        elif _is_free(placed, new, known):
            new[placed.delivery_id] = placed
            messages.setdefault(record.message_id, record)
        else:
            known_count += 1
    return list(new.values()), known_count, refused


def _is_free(record: Record, new: Mapping[UUID, Record], known: _KnownIds) -> bool:
    return record.delivery_id not in new and record.delivery_id not in known.deliveries


def _fits(record: Record, new: Mapping[UUID, Record], known: _KnownIds) -> bool:
    """Return whether its id is free, or belongs to this very record."""
    if (earlier := new.get(record.delivery_id)) is not None:
        stands = (earlier.municipality_id, earlier.message_type, earlier.status.value, earlier.at)
    elif (row := known.deliveries.get(record.delivery_id)) is not None:
        stands = (row["municipality_id"], row["message_type"], row["status"], row["created_at"])
    else:
        return True
    return stands == (record.municipality_id, record.message_type, record.status.value, record.at)


def _fault(record: Record, known: _KnownIds, messages: Mapping[UUID, Record]) -> str | None:
    delivery, batch = known.deliveries.get(record.delivery_id), known.batches.get(record.batch)
    message = known.messages.get(record.message_id)
    if delivery is not None and not delivery["recorded"]:
        return "delivery_id: belongs to a delivery of Utskick's own"
    if batch is not None and not batch["imported"]:
        return "batch_id: belongs to another batch here"
    where = (message["municipality_id"], message["batch_id"]) if message is not None else None
    if where is None and (earlier := messages.get(record.message_id)) is not None:
        where = earlier.batch
    if where is not None and where != record.batch:
        return "message_id: stands in another batch already"
    return None


async def _tally(
    connection: Connection, new: Sequence[Record], times: Mapping[UUID, datetime]
) -> None:
    """Count records in their own transaction: they have no events."""
    counted = Counter(
        (
            r.municipality_id,
            times[r.message_id].astimezone(SWEDEN).date(),
            r.original_type,
            r.message_type,
            r.origin or "",
            r.department or "",
            contract_status(r.status, r.reason.code if r.reason else None).value,
        )
        for r in new
    )
    ordered = sorted(counted.items())
    columns = zip(*(key for key, _ in ordered), strict=True)
    await connection.execute(
        """
        INSERT INTO tallies AS t (municipality_id, day, original_type, message_type, origin,
            department, word, number)
        SELECT * FROM unnest($1::text[], $2::date[], $3::text[], $4::text[], $5::text[],
            $6::text[], $7::text[], $8::bigint[])
        ON CONFLICT (municipality_id, day, original_type, message_type, origin, department, word)
            DO UPDATE SET number = t.number + excluded.number
        """,
        *map(list, columns),
        [number for _, number in ordered],
    )
