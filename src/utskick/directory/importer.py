"""A roll of people, as a municipality's file has it, written into the tables: the same roll twice
changes nothing."""

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

#: The alias by which a channel of a roll is known again. What somebody has chosen in person has
#: another, and is left alone.
ALIAS: Final = "register"


@dataclass(frozen=True, slots=True, repr=False)
class ImportRow:
    """One row of a file. ``party_id`` None: the one under which the number is known, or a new one.
    ``contacts``: method → destination."""

    line: int
    legal_id: LegalId
    party_id: UUID | None
    address: PostalAddress
    protected: bool
    contacts: tuple[tuple[Method, str], ...] = ()

    def __repr__(self) -> str:
        return f"Entry(line {self.line})"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was not taken, and why, in words that hold nothing of it."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What a part of a roll came to."""

    created: int
    replaced: int
    refused: tuple[RejectedRow, ...] = ()


class Roll:
    """Writes entries, some thousands at a time, each part in one transaction."""

    def __init__(self, database: Database, tables: DatabaseDirectory) -> None:
        self._database = database
        self._tables = tables

    async def take(
        self, municipality_id: str, entries: Sequence[ImportRow], now: datetime
    ) -> ImportCounts:
        """Where somebody else writes one of these people in the same moment, row by row; else all
        at once."""
        try:
            return await self._take(municipality_id, entries, now)
        except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
            if len(entries) == 1:
                return ImportCounts(
                    0,
                    0,
                    (
                        RejectedRow(
                            entries[0].line,
                            "the number or the party id was taken by somebody else just now",
                        ),
                    ),
                )
        parts = [await self.take(municipality_id, [entry], now) for entry in entries]
        return ImportCounts(
            sum(p.created for p in parts),
            sum(p.replaced for p in parts),
            tuple(r for p in parts for r in p.refused),
        )

    async def _take(
        self, municipality_id: str, entries: Sequence[ImportRow], now: datetime
    ) -> ImportCounts:
        async with self._database.transaction() as connection:
            known = await self._tables.parties.by_number(
                connection, municipality_id, [e.legal_id for e in entries]
            )
            parties: dict[UUID, tuple[Party, ImportRow]] = {}
            refused: list[RejectedRow] = []
            for entry in entries:
                found = known.get(entry.legal_id.number)
                party_id = found or entry.party_id or new_id()
                if found is not None and entry.party_id not in (None, found):
                    refused.append(
                        RejectedRow(entry.line, "the number is known under another party id")
                    )
                elif party_id in parties:
                    refused.append(
                        RejectedRow(
                            entry.line,
                            f"the party id stands on line {parties[party_id][1].line}, too",
                        )
                    )
                else:
                    parties[party_id] = (
                        Party(party_id, entry.legal_id, entry.address, entry.protected),
                        entry,
                    )
            if not parties:
                return ImportCounts(0, 0, tuple(refused))
            # two who write the same people lock them in the same order
            ordered = sorted(parties.items(), key=lambda item: item[1][0].legal_id.number)
            created = await self._tables.parties.put_all(
                connection, municipality_id, [party for _, (party, _) in ordered], now
            )
            await self._contacts(
                connection, municipality_id, {i: e for i, (_, e) in ordered if e.contacts}, now
            )
            return ImportCounts(created, len(parties) - created, tuple(refused))

    async def _contacts(
        self,
        connection: Connection,
        municipality_id: str,
        entries: dict[UUID, ImportRow],
        now: datetime,
    ) -> None:
        if not entries:
            return
        there = await self._tables.settings.of_parties(connection, municipality_id, list(entries))
        wanted = [
            _wished(there.get(party_id), party_id, entry, now)
            for party_id, entry in entries.items()
        ]
        changed = [setting for setting in wanted if setting is not None]
        if changed:
            await self._tables.settings.put_all(connection, municipality_id, changed)


def _wished(
    setting: ContactSetting | None, party_id: UUID, entry: ImportRow, now: datetime
) -> ContactSetting | None:
    """The setting as it is to be; None where it is so already."""
    if setting is None:
        channels = tuple(
            ContactChannel(method, ALIAS, destination) for method, destination in entry.contacts
        )
        return ContactSetting(new_id(), party_id, None, None, channels, now, now)
    found = setting.channels
    for method, destination in entry.contacts:
        found = _with(found, method, destination)
    return replace(setting, channels=found, modified=now) if found != setting.channels else None


def _with(
    channels: tuple[ContactChannel, ...], method: Method, destination: str
) -> tuple[ContactChannel, ...]:
    """A person's own choice wins; the roll's own channel follows the roll, and stays disabled where
    it is."""
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
