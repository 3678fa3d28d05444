"""Contact settings and their channels.

Aliases and destinations are encrypted; a destination is found by its keyed hash.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import asyncpg

from utskick.domain.audit import AuditEntry
from utskick.domain.contact_setting import ContactChannel, ContactSetting
from utskick.domain.directory_ports import Method
from utskick.store.administration.audit import keep
from utskick.store.crypto.cipher import Cipher
from utskick.store.database import Connection, Database

_PURPOSE: Final = "contact"
_COLUMNS: Final = "s.id, s.party_id, s.created_by_id, s.alias, s.created_at, s.modified_at"


class Made(StrEnum):
    """The result of adding a setting.

    ``TAKEN``: the party has one. ``ORPHAN``: the setting that it names as its maker does not exist.
    """

    CREATED = "created"
    TAKEN = "taken"
    ORPHAN = "orphan"


class ContactSettings:
    """Reader and writer of contact settings. Every statement is bound to a municipality."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    # -- reading ----------------------------------------

    async def get(self, municipality_id: str, setting_id: UUID) -> ContactSetting | None:
        found = await self.all_of(municipality_id, [setting_id])
        return found[0] if found else None

    async def all_of(self, municipality_id: str, ids: Sequence[UUID]) -> list[ContactSetting]:
        """Return those of these ids that exist, oldest first."""
        async with self._database.of(municipality_id).acquire() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM contact_settings s WHERE municipality_id = $1"  # noqa: S608
                " AND id = ANY($2::uuid[]) ORDER BY created_at, id",
                municipality_id,
                ids,
            )
            return await self._with_channels(connection, municipality_id, rows)

    async def of_parties(
        self, connection: Connection, municipality_id: str, party_ids: Sequence[UUID]
    ) -> dict[UUID, ContactSetting]:
        """Return settings by party id; inside the caller's transaction."""
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM contact_settings s WHERE municipality_id = $1"  # noqa: S608
            " AND party_id = ANY($2::uuid[])",
            municipality_id,
            party_ids,
        )
        found = await self._with_channels(connection, municipality_id, rows)
        return {setting.party_id: setting for setting in found if setting.party_id is not None}

    async def of_party(self, municipality_id: str, party_id: UUID) -> ContactSetting | None:
        async with self._database.of(municipality_id).acquire() as connection:
            return (await self.of_parties(connection, municipality_id, [party_id])).get(party_id)

    async def children(self, municipality_id: str, setting_id: UUID) -> list[ContactSetting]:
        """Return the virtual settings that it made, oldest first."""
        async with self._database.of(municipality_id).acquire() as connection:
            rows = await connection.fetch(
                f"""
                SELECT {_COLUMNS} FROM contact_settings s
                WHERE municipality_id = $1 AND created_by_id = $2 AND party_id IS NULL
                    ORDER BY created_at, id
                """,  # noqa: S608
                municipality_id,
                setting_id,
            )
            return await self._with_channels(connection, municipality_id, rows)

    async def by_destination(self, municipality_id: str, destination: str) -> list[ContactSetting]:
        """Return those with a channel to this number or address, oldest first."""
        async with self._database.of(municipality_id).acquire() as connection:
            rows = await connection.fetch(
                f"""
                SELECT {_COLUMNS} FROM contact_settings s
                WHERE municipality_id = $1 AND EXISTS (SELECT FROM contact_channels c
                    WHERE c.municipality_id = $1 AND c.setting_id = s.id
                        AND c.destination_key = ANY($2::bytea[]))
                ORDER BY created_at, id
                """,  # noqa: S608
                municipality_id,
                self._cipher.finds(municipality_id, _PURPOSE, destination.casefold()),
            )
            return await self._with_channels(connection, municipality_id, rows)

    async def _with_channels(
        self, connection: Connection, municipality_id: str, rows: Sequence[Any]
    ) -> list[ContactSetting]:
        channels: dict[UUID, list[ContactChannel]] = defaultdict(list)
        if rows:
            found = await connection.fetch(
                """
                SELECT setting_id, method, alias, destination, disabled FROM contact_channels
                WHERE municipality_id = $1 AND setting_id = ANY($2::uuid[])
                    ORDER BY setting_id, position
                """,
                municipality_id,
                [row["id"] for row in rows],
            )
            for row in found:
                channels[row["setting_id"]].append(self._channel(municipality_id, row))
        return [self._setting(municipality_id, row, tuple(channels[row["id"]])) for row in rows]

    # -- writing ----------------------------------------

    async def create(self, setting: ContactSetting, change: AuditEntry) -> Made:
        """Insert a setting; nothing is written unless the result is ``CREATED``."""
        municipality_id = change.municipality_id
        try:
            async with self._database.of(municipality_id).transaction() as connection:
                await self.put_all(connection, municipality_id, [setting])
                await keep(connection, [change])
        except asyncpg.UniqueViolationError:
            return Made.TAKEN
        except asyncpg.ForeignKeyViolationError:
            return Made.ORPHAN
        return Made.CREATED

    async def update(self, changed: ContactSetting, change: AuditEntry) -> bool:
        """Replace alias, channels and the time of change. False: there is no such setting."""
        municipality_id = change.municipality_id
        async with self._database.of(municipality_id).transaction() as connection:
            there = await connection.fetchval(
                "SELECT true FROM contact_settings WHERE municipality_id = $1"
                " AND id = $2 FOR UPDATE",
                municipality_id,
                changed.id,
            )
            if there:
                await self.put_all(connection, municipality_id, [changed])
                await keep(connection, [change])
            return bool(there)

    async def put_all(
        self, connection: Connection, municipality_id: str, settings: Sequence[ContactSetting]
    ) -> None:
        """Add settings, or replace alias and channels of existing ones.

        Inside the caller's transaction.
        """
        await connection.execute(
            """
            INSERT INTO contact_settings (municipality_id, id, party_id, created_by_id, alias,
                created_at, modified_at)
            SELECT $1, r.* FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bytea[],
                $6::timestamptz[], $7::timestamptz[]) AS r
            ON CONFLICT (municipality_id, id) DO UPDATE SET alias = excluded.alias,
                modified_at = excluded.modified_at
            """,
            municipality_id,
            *zip(*(self._row(municipality_id, s) for s in settings), strict=True),
        )
        await connection.execute(
            "DELETE FROM contact_channels WHERE municipality_id = $1"
            " AND setting_id = ANY($2::uuid[])",
            municipality_id,
            [s.id for s in settings],
        )
        rows = [
            self._channel_row(municipality_id, s.id, n, c)
            for s in settings
            for n, c in enumerate(s.channels)
        ]
        if rows:
            await connection.execute(
                """
                INSERT INTO contact_channels (municipality_id, setting_id, position, method, alias,
                    destination, destination_key, disabled)
                SELECT $1, r.* FROM unnest($2::uuid[], $3::int[], $4::text[], $5::bytea[],
                    $6::bytea[], $7::bytea[], $8::boolean[]) AS r
                """,
                municipality_id,
                *zip(*rows, strict=True),
            )

    async def delete(self, setting_id: UUID, change: AuditEntry) -> bool:
        """Delete it with its channels, its delegates on both sides, and the settings that it made.

        False: there was none.
        """
        async with self._database.of(change.municipality_id).transaction() as connection:
            done = await connection.execute(
                "DELETE FROM contact_settings WHERE municipality_id = $1 AND id = $2",
                change.municipality_id,
                setting_id,
            )
            if done != "DELETE 1":
                return False
            await keep(connection, [change])
            return True

    # -- rows ----------------------------------------

    def _locked(self, municipality_id: str, text: str | None) -> bytes | None:
        return (
            None if text is None else self._cipher.encrypt(municipality_id, _PURPOSE, text.encode())
        )

    def _unlocked(self, municipality_id: str, sealed: bytes | None) -> str | None:
        return (
            None
            if sealed is None
            else self._cipher.decrypt(municipality_id, _PURPOSE, sealed).decode()
        )

    def _row(self, municipality_id: str, setting: ContactSetting) -> tuple[Any, ...]:
        alias = self._locked(municipality_id, setting.alias)
        return (
            setting.id,
            setting.party_id,
            setting.created_by_id,
            alias,
            setting.created,
            setting.modified,
        )

    def _channel_row(
        self, municipality_id: str, setting_id: UUID, position: int, channel: ContactChannel
    ) -> tuple[Any, ...]:
        return (
            setting_id,
            position,
            channel.method.value,
            self._locked(municipality_id, channel.alias),
            self._locked(municipality_id, channel.destination),
            self._cipher.find(municipality_id, _PURPOSE, channel.destination.casefold()),
            channel.disabled,
        )

    def _setting(
        self, municipality_id: str, row: Any, channels: tuple[ContactChannel, ...]
    ) -> ContactSetting:
        alias = self._unlocked(municipality_id, row["alias"])
        return ContactSetting(
            row["id"],
            row["party_id"],
            row["created_by_id"],
            alias,
            channels,
            row["created_at"],
            row["modified_at"],
        )

    def _channel(self, municipality_id: str, row: Any) -> ContactChannel:
        destination = self._unlocked(municipality_id, row["destination"]) or ""
        return ContactChannel(
            Method(row["method"]),
            self._unlocked(municipality_id, row["alias"]),
            destination,
            row["disabled"],
        )
