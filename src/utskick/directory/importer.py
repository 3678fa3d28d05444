"""Import of a municipality's people file into the directory; repeating it changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from utskick.directory.database import DatabaseDirectory
from utskick.domain.contact_setting import ContactChannel, ContactSetting
from utskick.domain.directory_ports import LegalId, Method, Party, PostalAddress
from utskick.domain.ids import new_id
from utskick.store.database import Connection, Database

#: Alias of the contact channels made by an import. Channels chosen by the person have another, and
#: are never changed.
ALIAS: Final = "register"


@dataclass(frozen=True, slots=True, repr=False)
class ImportRow:
    """One row of a file.

    ``party_id``: None keeps the id known for the number, or assigns one. ``contacts``: method and
    destination.
    """

    line: int
    legal_id: LegalId
    party_id: UUID | None
    address: PostalAddress
    protected: bool
    contacts: tuple[tuple[Method, str], ...] = ()

    def __repr__(self) -> str:
        return f"ImportRow(line {self.line})"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A rejected row. ``reason``: contains nothing of the row."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class DirectoryImportCounts:
    """Result of importing some rows."""

    created: int
    replaced: int
    refused: tuple[RejectedRow, ...] = ()


class DirectoryImporter:
    """Imports rows, some thousands at a time, each chunk in one transaction."""

    def __init__(self, database: Database, tables: DatabaseDirectory) -> None:
        self._database = database
        self._tables = tables

    async def add(
        self, municipality_id: str, entries: Sequence[ImportRow], now: datetime
    ) -> DirectoryImportCounts:
        """Import the rows at once, or row by row if a concurrent writer interferes."""
        try:
            return await self._add(municipality_id, entries, now)
        except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
            if len(entries) == 1:
                return DirectoryImportCounts(
                    0,
                    0,
                    (
                        RejectedRow(
                            entries[0].line,
                            "the number or the party id has just been assigned by another writer",
                        ),
                    ),
                )
        parts = [await self.add(municipality_id, [entry], now) for entry in entries]
        return DirectoryImportCounts(
            sum(p.created for p in parts),
            sum(p.replaced for p in parts),
            tuple(r for p in parts for r in p.refused),
        )

    async def _add(
        self, municipality_id: str, entries: Sequence[ImportRow], now: datetime
    ) -> DirectoryImportCounts:
        async with self._database.transaction() as connection:
            known = await self._tables.parties.by_number(
                connection, municipality_id, [e.legal_id for e in entries]
            )
            parties: dict[UUID, tuple[Party, ImportRow]] = {}
            refused: list[RejectedRow] = []
            for entry in entries:
                known_id = known.get(entry.legal_id.number)
                party_id = known_id or entry.party_id or new_id()
                if known_id is not None and entry.party_id not in (None, known_id):
                    refused.append(
                        RejectedRow(entry.line, "the number belongs to another party id")
                    )
                elif party_id in parties:
                    refused.append(
                        RejectedRow(
                            entry.line,
                            f"the party id is used on line {parties[party_id][1].line} as well",
                        )
                    )
                else:
                    parties[party_id] = (
                        Party(party_id, entry.legal_id, entry.address, entry.protected),
                        entry,
                    )
            if not parties:
                return DirectoryImportCounts(0, 0, tuple(refused))
            # In a fixed order, so that concurrent imports do not deadlock.
            ordered = sorted(parties.items(), key=lambda item: item[1][0].legal_id.number)
            created = await self._tables.parties.put_all(
                connection, municipality_id, [party for _, (party, _) in ordered], now
            )
            await self._contacts(
                connection, municipality_id, {i: e for i, (_, e) in ordered if e.contacts}, now
            )
            return DirectoryImportCounts(created, len(parties) - created, tuple(refused))

    async def _contacts(
        self,
        connection: Connection,
        municipality_id: str,
        entries: dict[UUID, ImportRow],
        now: datetime,
    ) -> None:
        if not entries:
            return
        current = await self._tables.settings.of_parties(connection, municipality_id, list(entries))
        wanted = [
            _updated(current.get(party_id), party_id, entry, now)
            for party_id, entry in entries.items()
        ]
        changed = [setting for setting in wanted if setting is not None]
        if changed:
            await self._tables.settings.put_all(connection, municipality_id, changed)


def _updated(
    setting: ContactSetting | None, party_id: UUID, entry: ImportRow, now: datetime
) -> ContactSetting | None:
    """Return the setting to write, None if it is unchanged."""
    if setting is None:
        channels = tuple(
            ContactChannel(method, ALIAS, destination) for method, destination in entry.contacts
        )
        return ContactSetting(new_id(), party_id, None, None, channels, now, now)
    channels = setting.channels
    for method, destination in entry.contacts:
        channels = _with(channels, method, destination)
    if channels == setting.channels:
        return None
    return replace(setting, channels=channels, modified=now)


def _with(
    channels: tuple[ContactChannel, ...], method: Method, destination: str
) -> tuple[ContactChannel, ...]:
    """Update the imported channel if it is disabled too; the person's own choice wins."""
    if any(channel.method is method and channel.alias == ALIAS for channel in channels):
        return tuple(
            replace(channel, destination=destination)
            if channel.method is method and channel.alias == ALIAS
            else channel
            for channel in channels
        )
    if any(channel.method is method for channel in channels):
        return channels
    return (*channels, ContactChannel(method, ALIAS, destination))
