"""What was said: messages with their contents, to a person or by their ids. Some hundred at a time;
files only where asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.domain.channel import Draft, Priority
from utskick.domain.errors import Erased
from utskick.domain.recipient import Recipient
from utskick.store.crypto.columns import Column
from utskick.store.database import Database
from utskick.store.history.status import BATCH, DELIVERIES, STATE, DeliveryState, state_of
from utskick.store.messages.attachments import Attachments, Gone, read_names
from utskick.store.messages.contents import OWN, Contents, recipient_of


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A delivery with its content. ``at``: when its message was to be sent. ``recorded``: the
    content is from another system's records.

    ``erased``: the key of its month was destroyed; nothing of the content is there.
    """

    channel: str
    message_type: str
    state: DeliveryState
    draft: Draft
    remarks: dict[str, Any]
    at: datetime
    origin: str | None
    issuer: str | None
    recorded: bool
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Between:
    """``since`` ≤ time < ``until``."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An attachment of a message, without its bytes."""

    name: str
    content_type: str | None
    digest: bytes
    size: int


_STRIDE: Final = 200
_COLUMNS: Final = f"""
    {STATE}, d.municipality_id, d.channel, d.destination, d.priority, d.created_at, d.frozen, d.recorded, d.recorded_files,
    m.party, m.at, m.origin, m.issuer, m.department, b.organization_number, b.channel AS batch_channel, b.remarks, {OWN}
"""
_JOINED: Final = f"{DELIVERIES} {BATCH}"


class Conversations:
    """Reads only. Every statement is bound to a municipality. A routed delivery is not told: its
    answers are."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attachments = Attachments(database)
        self._contents = Contents(database)

    async def with_party(
        self, municipality_id: str, party_id: str, between: Between
    ) -> AsyncIterator[HistoryEntry]:
        """Everything said to a party, newest first. No connection is held between two strides, and
        one message's files at a time."""
        async for told in self.strides(municipality_id, party_id, between, _STRIDE):
            for row in await self._rows(municipality_id, list(told)):
                if (said := await self._still(municipality_id, row, files=True)) is not None:
                    yield said

    async def strides(
        self, municipality_id: str, party_id: str, between: Between, stride: int
    ) -> AsyncIterator[dict[UUID, datetime]]:
        """A party's messages with their times, newest first, so many at a time."""
        party_key = await self._database.vault.index(municipality_id, party_id)
        place: tuple[datetime | None, UUID | None] = (between.until, None)
        while True:
            told = await self._database.of(municipality_id).fetch(
                """
                SELECT id, at FROM messages
                WHERE municipality_id = $1 AND party_key = $2
                    AND ($3::timestamptz IS NULL OR at >= $3)
                    AND ($4::timestamptz IS NULL OR at < $4
                        OR ($5::uuid IS NOT NULL AND at = $4 AND id < $5))
                ORDER BY at DESC, id DESC LIMIT $6
                """,
                municipality_id,
                party_key,
                between.since,
                *place,
                stride,
            )
            yield {row["id"]: row["at"] for row in told}
            if len(told) < stride:
                return
            place = told[-1]["at"], told[-1]["id"]

    async def of_messages(
        self, municipality_id: str, message_ids: Sequence[UUID], *, files: bool
    ) -> list[HistoryEntry]:
        """All deliveries of these messages, in their order, each message's in the order in which
        they came about."""
        found = [
            await self._still(municipality_id, row, files=files)
            for row in await self._rows(municipality_id, message_ids)
        ]
        return [said for said in found if said is not None]

    async def files(self, municipality_id: str, message_id: UUID) -> list[StoredFile]:
        """Every file of the message, whichever of its deliveries carries it.

        Raises ``LookupError`` where there is no such message, ``Erased`` where there was one.
        """
        rows = await self._database.of(municipality_id).fetch(
            f"""
            SELECT m.municipality_id, CASE WHEN m.content IS NULL THEN b.attachments ELSE m.attachments END AS attachments, d.recorded_files
            FROM (SELECT * FROM messages WHERE id = $2 OFFSET 0) m {_JOINED}
            WHERE m.municipality_id = $1 AND d.municipality_id = $1 ORDER BY d.created_at, d.id
            """,  # noqa: S608
            municipality_id,
            message_id,
        )
        if not rows:
            raise LookupError(message_id)
        vault = self._database.vault
        await vault.at_hand(rows)
        sealed = [row["attachments"] for row in rows[:1]] + [row["recorded_files"] for row in rows]
        named = [name for each in sealed for name in read_names(vault, municipality_id, each)]
        sizes = await self._attachments.sizes(
            municipality_id, [bytes.fromhex(name["digest"]) for name in named]
        )
        found = ((name, bytes.fromhex(name["digest"])) for name in named)
        return [
            StoredFile(name["name"], name["type"], digest, sizes[digest])
            for name, digest in found
            if digest in sizes
        ]

    def slices(self, municipality_id: str, file: StoredFile) -> AsyncIterator[bytes]:
        """A file's bytes, piece by piece."""
        return self._attachments.slices(municipality_id, file.digest, file.size)

    async def _rows(self, municipality_id: str, message_ids: Sequence[UUID]) -> Sequence[Any]:
        rows = await self._database.of(municipality_id).fetch(
            f"""
            SELECT {_COLUMNS} FROM unnest($2::uuid[]) WITH ORDINALITY AS w(id, place)
            CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = w.id OFFSET 0) m {_JOINED}
            WHERE m.municipality_id = $1 AND d.municipality_id = $1 AND d.status <> 'routed' ORDER BY w.place, d.created_at, d.id
            """,  # noqa: S608
            municipality_id,
            list(message_ids),
        )
        await self._database.vault.at_hand(rows)
        return rows

    async def _still(self, municipality_id: str, row: Any, *, files: bool) -> HistoryEntry | None:
        """None: retention has come between the reading of the row and that of its content."""
        try:
            return await self._said(municipality_id, row, files=files)
        except Gone:
            return None

    async def _said(self, municipality_id: str, row: Any, *, files: bool) -> HistoryEntry:
        recorded, erased = row["recorded"] is not None, False
        try:
            draft = await self._draft(municipality_id, row, files=files)
        except Erased:
            draft, erased = (
                Draft(
                    municipality_id,
                    {},
                    Recipient("", None, row["reference"]),
                    created_at=row["created_at"],
                ),
                True,
            )
        draft = replace(
            draft, organization_number=row["organization_number"], department=row["department"]
        )
        return HistoryEntry(
            channel=row["channel"],
            message_type=row["message_type"],
            state=state_of(row),
            draft=draft,
            remarks=row["remarks"] or {},
            at=row["created_at"] if recorded else row["at"],
            origin=row["origin"],
            issuer=row["issuer"],
            recorded=recorded,
            erased=erased,
        )

    async def _draft(self, municipality_id: str, row: Any, *, files: bool) -> Draft:
        """Raises ``Erased``."""
        vault = self._database.vault
        if row["recorded"] is not None:
            content = orjson.loads(vault.open(municipality_id, Column.RECORDED, row["recorded"]))
            names = read_names(vault, municipality_id, row["recorded_files"])
        else:
            content, names = await self._contents.of(row)
        return Draft(
            municipality_id=municipality_id,
            content=content,
            recipient=recipient_of(vault, row),
            attachments=await self._attachments.load(municipality_id, names)
            if names and files
            else (),
            priority=Priority(row["priority"]),
            created_at=row["created_at"],
            frozen=vault.open(municipality_id, Column.FROZEN, row["frozen"])
            if row["frozen"] is not None
            else None,
        )
