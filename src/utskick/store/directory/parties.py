"""Parties: the number behind a party id, the address, and whether it may be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from utskick.domain.audit import AuditEntry
from utskick.domain.directory_ports import LegalId, Party, PostalAddress
from utskick.store.administration.audit import keep
from utskick.store.crypto.cipher import Cipher
from utskick.store.database import Connection, Database

_NAMES: Final = ("first_name", "last_name", "organization")


class Put(StrEnum):
    """The result of adding a party.

    ``TAKEN``: its number belongs to another party; nothing was written.
    """

    CREATED = "created"
    REPLACED = "replaced"
    TAKEN = "taken"


class Parties:
    """Reader and writer of parties.

    Every statement is bound to a municipality. Numbers, names and addresses are encrypted.
    """

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[UUID]
    ) -> dict[UUID, LegalId]:
        rows = await self._database.of(municipality_id).fetch(
            "SELECT party_id, legal_id FROM parties WHERE municipality_id = $1"
            " AND party_id = ANY($2::uuid[])",
            municipality_id,
            party_ids,
        )
        return {row["party_id"]: self._legal_id(municipality_id, row["legal_id"]) for row in rows}

    async def get(self, municipality_id: str, party_id: UUID) -> Party | None:
        row = await self._database.of(municipality_id).fetchrow(
            "SELECT party_id, legal_id, protected, names, address FROM parties"
            " WHERE municipality_id = $1 AND party_id = $2",
            municipality_id,
            party_id,
        )
        return self._party(municipality_id, row) if row else None

    async def by_number(
        self, connection: Connection, municipality_id: str, numbers: Sequence[LegalId]
    ) -> dict[str, UUID]:
        """Return the ids of known numbers, by number; inside the caller's transaction."""
        keys = {
            key: n.number
            for n in numbers
            for key in self._cipher.finds(municipality_id, "legal-id", n.number)
        }
        rows = await connection.fetch(
            "SELECT party_id, legal_key FROM parties WHERE municipality_id = $1"
            " AND legal_key = ANY($2::bytea[])",
            municipality_id,
            list(keys),
        )
        return {keys[row["legal_key"]]: row["party_id"] for row in rows}

    async def put(self, party: Party, change: AuditEntry) -> Put:
        """Insert or replace a party; nothing is written where the result is ``TAKEN``."""
        municipality_id = change.municipality_id
        try:
            async with self._database.of(municipality_id).transaction() as connection:
                known = await self.by_number(connection, municipality_id, [party.legal_id])
                if known.get(party.legal_id.number, party.id) != party.id:
                    return Put.TAKEN
                created = await self.put_all(connection, municipality_id, [party], change.at)
                await keep(connection, [change])
        except asyncpg.UniqueViolationError:  # somebody else was quicker
            return Put.TAKEN
        return Put.CREATED if created else Put.REPLACED

    async def put_all(
        self, connection: Connection, municipality_id: str, parties: Sequence[Party], now: datetime
    ) -> int:
        """Add or replace parties. Returns how many are new.

        Raises ``UniqueViolationError`` where a number belongs to another party.
        """
        rows = await connection.fetch(
            """
            INSERT INTO parties (municipality_id, party_id, kind, legal_id, legal_key, protected,
                names, address, updated_at)
            SELECT $1, r.*, $9 FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::bytea[],
                $6::boolean[], $7::bytea[], $8::bytea[]) AS r
            ON CONFLICT (municipality_id, party_id) DO UPDATE
                SET kind = excluded.kind, legal_id = excluded.legal_id,
                legal_key = excluded.legal_key, protected = excluded.protected,
                    names = excluded.names, address = excluded.address,
                updated_at = excluded.updated_at
            RETURNING xmax = 0 AS created
            """,
            municipality_id,
            *zip(*(self._row(municipality_id, party) for party in parties), strict=True),
            now,
        )
        return sum(row["created"] for row in rows)

    async def delete(self, party_id: UUID, change: AuditEntry) -> bool:
        """Delete the entry; contact settings and subscriptions stay. False: there was none."""
        async with self._database.of(change.municipality_id).transaction() as connection:
            done = await connection.execute(
                "DELETE FROM parties WHERE municipality_id = $1 AND party_id = $2",
                change.municipality_id,
                party_id,
            )
            if done != "DELETE 1":
                return False
            await keep(connection, [change])
            return True

    # -- rows ----------------------------------------

    def _row(self, municipality_id: str, party: Party) -> tuple[Any, ...]:
        members = {name: value for name, value in asdict(party.address).items() if value}
        names = orjson.dumps({name: value for name, value in members.items() if name in _NAMES})
        address = orjson.dumps(
            {name: value for name, value in members.items() if name not in _NAMES}
        )
        number, encrypt = party.legal_id.number, self._cipher.encrypt
        return (
            party.id,
            party.kind.value,
            encrypt(municipality_id, "legal-id", number.encode()),
            self._cipher.find(municipality_id, "legal-id", number),
            party.protected,
            encrypt(municipality_id, "names", names),
            encrypt(municipality_id, "address", address),
        )

    def _legal_id(self, municipality_id: str, sealed: bytes) -> LegalId:
        return LegalId(self._cipher.decrypt(municipality_id, "legal-id", sealed).decode())

    def _party(self, municipality_id: str, row: Any) -> Party:
        names = orjson.loads(self._cipher.decrypt(municipality_id, "names", row["names"]))
        address = orjson.loads(self._cipher.decrypt(municipality_id, "address", row["address"]))
        return Party(
            row["party_id"],
            self._legal_id(municipality_id, row["legal_id"]),
            PostalAddress(**names, **address),
            row["protected"],
        )
