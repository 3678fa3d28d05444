"""The directory as the settings choose it: each question to our own tables, or to a service of the
municipality."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import orjson

from utskick.directory.contact_register import ContactRegister
from utskick.directory.database import DatabaseDirectory, LocalDirectory, LocalSubscriptions
from utskick.directory.party_register import PartyRegister
from utskick.directory.population_register import PopulationRegister
from utskick.directory.service_client import Peer
from utskick.directory.settings import DirectorySection, Neighbour
from utskick.domain.channel import AccountHealth
from utskick.domain.directory_ports import (
    AddressLookup,
    Contact,
    Contacts,
    Hidden,
    LegalId,
    LegalIds,
    Neighbours,
    PostalAddress,
)
from utskick.domain.outcome import Deferred

#: Each question that may be remote: the service's table in the settings, and what it is asked.
_ASKED: Final = {
    "parties": ("party", "/{m}/PRIVATE/legalIds"),
    "addresses": ("citizen", "/{m}/{nobody}?ShowClassified=false"),
    "contacts": ("contact_settings", "/{m}/settings?partyId={nobody}"),
}


async def look(section: DirectorySection, municipality_id: str) -> list[AccountHealth]:
    """Of those that the settings name and use, in the order of the settings."""
    wanted = {
        name: path
        for question, (name, path) in _ASKED.items()
        if getattr(section, question) == "remote"
    }
    return list(
        await asyncio.gather(
            *(
                _one(name, path, getattr(section.remote, name), municipality_id)
                for name, path in wanted.items()
            )
        )
    )


async def _one(name: str, path: str, settings: Neighbour, municipality_id: str) -> AccountHealth:
    peer, nobody = Peer(name, settings), str(uuid4())
    try:
        body = None if "{nobody}" in path else orjson.dumps([nobody])
        return await peer.look(path.format(m=municipality_id, nobody=nobody), body)
    finally:
        await peer.close()


@dataclass(frozen=True, slots=True)
class ChosenDirectory:
    """``domain.people.Directory``, each question to whom it is for."""

    parties: LegalIds
    addresses: AddressLookup
    wishes: Contacts

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        return await self.parties.legal_ids(municipality_id, party_ids)

    async def address(
        self, municipality_id: str, party_id: str
    ) -> PostalAddress | Hidden | Deferred:
        return await self.addresses.address(municipality_id, party_id)

    async def contacts(
        self, municipality_id: str, party_id: str, filters: Mapping[str, Sequence[str]]
    ) -> Sequence[Contact] | Deferred:
        return await self.wishes.contacts(municipality_id, party_id, filters)


@dataclass(frozen=True, slots=True)
class People:
    """``keeps_contacts``: whether contact settings are our own."""

    tables: DatabaseDirectory
    neighbours: Neighbours
    keeps_contacts: bool


@asynccontextmanager
async def opened(section: DirectorySection, tables: DatabaseDirectory) -> AsyncIterator[People]:
    """Connections to neighbours are opened when somebody asks, and closed here."""
    async with AsyncExitStack() as stack:

        def peer(name: str, settings: Neighbour | None) -> Peer:
            assert settings is not None  # the settings have been checked
            made = Peer(name, settings)
            stack.push_async_callback(made.close)
            return made

        local, remote = LocalDirectory(tables), section.remote
        directory = ChosenDirectory(
            PartyRegister(peer("party", remote.party)) if section.parties == "remote" else local,
            PopulationRegister(peer("citizen", remote.citizen), tables.parties)
            if section.addresses == "remote"
            else local,
            ContactRegister(peer("contact settings", remote.contact_settings))
            if section.contacts == "remote"
            else local,
        )
        yield People(
            tables, Neighbours(directory, LocalSubscriptions(tables)), section.contacts == "local"
        )
