"""Legal holds: they keep messages whatever the rules say, until they are lifted.

The row stays, with who and when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from utskick.domain.audit import AuditEntry
from utskick.domain.ids import new_id
from utskick.domain.retention import HoldKind
from utskick.store.administration.audit import keep
from utskick.store.database import Connection, Database
from utskick.store.retention.rules import forget_places, lock


@dataclass(frozen=True, slots=True)
class Subject:
    """What is held: the id of a party, a message or a batch."""

    kind: HoldKind
    id: UUID


@dataclass(frozen=True, slots=True)
class NewHold:
    """A hold to be placed. ``reason`` is for people; ``reference``: of the case or the decision."""

    subject: Subject
    reason: str
    reference: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold. ``subject`` and ``reason`` None: it was lifted, and its person was erased."""

    id: UUID
    kind: HoldKind
    subject: UUID | None
    reason: str | None
    reference: str | None
    placed_by: str
    placed_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None


_COLUMNS: Final = "id, kind, subject, reason, reference, placed_by, placed_at, lifted_by, lifted_at"


class Holds:
    """Reader and writer of holds. Every statement is bound to a municipality.

    Subject and reason are encrypted by a key that does not end with a month.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def place(self, wanted: NewHold, change: AuditEntry) -> UUID | None:
        """Place a hold and return its id; from then on nothing that it holds is removed.

        None: there is no such message or batch.
        """
        municipality_id = change.municipality_id
        vault, made, subject = self._database.vault, new_id(), wanted.subject
        keys = await self._keys(municipality_id, subject)
        async with self._database.of(municipality_id).transaction() as connection:
            await lock(connection, municipality_id)
            if not await _exists(connection, municipality_id, subject):
                return None
            await connection.execute(
                """
                INSERT INTO holds (municipality_id, id, kind, keys, subject, reason, reference,
                    placed_by, placed_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                """,
                municipality_id,
                made,
                subject.kind.value,
                keys,
                vault.encrypt(municipality_id, str(subject.id).encode()),
                vault.encrypt(municipality_id, wanted.reason.encode()),
                wanted.reference,
                wanted.actor,
                change.at,
            )
            await keep(connection, [_about(change, made, subject)])
        return made

    async def get(self, municipality_id: str, hold_id: UUID) -> Hold | None:
        row = await self._database.of(municipality_id).fetchrow(
            f"SELECT {_COLUMNS} FROM holds WHERE municipality_id = $1 AND id = $2",  # noqa: S608
            municipality_id,
            hold_id,
        )
        return self._hold(municipality_id, row) if row else None

    async def listed(self, municipality_id: str, start: int, limit: int) -> tuple[int, list[Hold]]:
        """Return how many there are, and a page: active ones first, the newest first."""
        total = await self._database.of(municipality_id).fetchval(
            "SELECT count(*) FROM holds WHERE municipality_id = $1", municipality_id
        )
        rows = await self._database.of(municipality_id).fetch(
            f"""
            SELECT {_COLUMNS} FROM holds WHERE municipality_id = $1
            ORDER BY lifted_at IS NOT NULL, placed_at DESC, id DESC OFFSET $2 LIMIT $3
            """,  # noqa: S608
            municipality_id,
            start,
            limit,
        )
        return total, [self._hold(municipality_id, row) for row in rows]

    async def lift(self, hold_id: UUID, actor: str, change: AuditEntry) -> bool:
        """Lift a hold. False: there is no such hold, or it was lifted before."""
        municipality_id = change.municipality_id
        async with self._database.of(municipality_id).transaction() as connection:
            await lock(connection, municipality_id)
            done = await connection.execute(
                "UPDATE holds SET lifted_by = $3, lifted_at = $4"
                " WHERE municipality_id = $1 AND id = $2 AND lifted_at IS NULL",
                municipality_id,
                hold_id,
                actor,
                change.at,
            )
            if done != "UPDATE 1":
                return False
            await forget_places(connection, municipality_id)
            await keep(connection, [change])
        return True

    async def of_party(self, municipality_id: str, party_id: UUID) -> list[Hold]:
        """Return all holds on the person, or on the person's messages or batches.

        The oldest first.
        """
        rows = await self._database.of(municipality_id).fetch(
            f"""
            SELECT {_COLUMNS} FROM holds h WHERE municipality_id = $1 AND (
                (kind = 'party' AND $2 = ANY(keys))
                OR (kind <> 'party' AND EXISTS (
                    SELECT FROM messages m WHERE m.municipality_id = $1 AND m.party_key = $2
                    AND uuid_send(CASE WHEN h.kind = 'message' THEN m.id ELSE m.batch_id END)
                        = ANY(h.keys))))
            ORDER BY placed_at, id
            """,  # noqa: S608
            municipality_id,
            await self._database.vault.index(municipality_id, str(party_id)),
        )
        return [self._hold(municipality_id, row) for row in rows]

    async def on_party(self, connection: Any, municipality_id: str, key: bytes) -> str | None:
        """Return the reference of an active hold on the person that ``key`` finds.

        "" where the hold has no reference; None where there is no hold.
        """
        found: str | None = await connection.fetchval(
            """
            SELECT coalesce(reference, '') FROM holds
            WHERE municipality_id = $1 AND kind = 'party' AND $2 = ANY(keys) AND lifted_at IS NULL
            ORDER BY placed_at, id LIMIT 1
            """,
            municipality_id,
            key,
        )
        return found

    async def forget(self, connection: Connection, municipality_id: str, key: bytes) -> bool:
        """Erase what names or describes the person from lifted holds on the person.

        Runs inside the caller's transaction. Returns whether there was such a hold.
        """
        done: str = await connection.execute(
            """
            UPDATE holds SET keys = NULL, subject = NULL, reason = NULL
            WHERE municipality_id = $1 AND kind = 'party' AND $2 = ANY(keys)
                AND lifted_at IS NOT NULL
            """,
            municipality_id,
            key,
        )
        return done != "UPDATE 0"

    async def _keys(self, municipality_id: str, subject: Subject) -> list[bytes]:
        if subject.kind is HoldKind.PARTY:
            return [await self._database.vault.index(municipality_id, str(subject.id))]
        return [subject.id.bytes]

    def _hold(self, municipality_id: str, row: Any) -> Hold:
        vault = self._database.vault
        subject = (
            UUID(vault.decrypt(municipality_id, row["subject"]).decode())
            if row["subject"] is not None
            else None
        )
        reason = (
            vault.decrypt(municipality_id, row["reason"]).decode()
            if row["reason"] is not None
            else None
        )
        return Hold(
            row["id"],
            HoldKind(row["kind"]),
            subject,
            reason,
            row["reference"],
            row["placed_by"],
            row["placed_at"],
            row["lifted_by"],
            row["lifted_at"],
        )


async def _exists(connection: Connection, municipality_id: str, subject: Subject) -> bool:
    """Return whether the subject exists. A person may be held before anything is known of them."""
    if subject.kind is HoldKind.PARTY:
        return True
    table = "messages" if subject.kind is HoldKind.MESSAGE else "batches"
    return bool(
        await connection.fetchval(
            f"SELECT true FROM {table} WHERE municipality_id = $1 AND id = $2",  # noqa: S608
            municipality_id,
            subject.id,
        )
    )


def _about(change: AuditEntry, hold_id: UUID, subject: Subject) -> AuditEntry:
    """Return the entry with the hold and what it covers; a person is named by the caller."""
    named = {"id": str(hold_id), "kind": subject.kind.value}
    if subject.kind is not HoldKind.PARTY:
        named[f"{subject.kind.value}Id"] = str(subject.id)
    return change.about(**named)
