"""The directory as the settings choose it: each question to our own tables, or to a service of the municipality."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from utskick.directory.contact_register import ContactRegister
from utskick.directory.local import LocalDirectory, LocalSubscriptions, Tables
from utskick.directory.party_register import PartyRegister
from utskick.directory.peer import Peer
from utskick.directory.population_register import PopulationRegister
from utskick.directory.settings import DirectorySection, Neighbour
from utskick.domain.outcome import Deferred
from utskick.domain.people import Addresses, Contact, Contacts, Hidden, LegalId, LegalIds, Neighbours, PostalAddress


@dataclass(frozen=True, slots=True)
class ChosenDirectory:
    """``domain.people.Directory``, each question to whom it is for."""

    parties: LegalIds
    addresses: Addresses
    wishes: Contacts

    async def legal_ids(self, municipality_id: str, party_ids: Sequence[str]) -> Mapping[str, LegalId] | Deferred:
        return await self.parties.legal_ids(municipality_id, party_ids)

    async def address(self, municipality_id: str, party_id: str) -> PostalAddress | Hidden | Deferred:
        return await self.addresses.address(municipality_id, party_id)

    async def contacts(self, municipality_id: str, party_id: str, filters: Mapping[str, Sequence[str]]) -> Sequence[Contact] | Deferred:
        return await self.wishes.contacts(municipality_id, party_id, filters)


@dataclass(frozen=True, slots=True)
class People:
    """``keeps_contacts``: whether contact settings are our own."""

    tables: Tables
    neighbours: Neighbours
    keeps_contacts: bool


@asynccontextmanager
async def opened(section: DirectorySection, tables: Tables) -> AsyncIterator[People]:
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
            PopulationRegister(peer("citizen", remote.citizen), tables.parties) if section.addresses == "remote" else local,
            ContactRegister(peer("contact settings", remote.contact_settings)) if section.contacts == "remote" else local,
        )
        yield People(tables, Neighbours(directory, LocalSubscriptions(tables)), section.contacts == "local")
