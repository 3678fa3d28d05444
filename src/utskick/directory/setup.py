"""Setup of the directory from the settings: local tables or municipal services."""

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
from utskick.directory.service_client import ServiceClient
from utskick.directory.settings import DirectorySection, ServiceSettings
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

#: Service and health check path by the setting that may be "remote".
_CHECKS: Final = {
    "parties": ("party", "/{m}/PRIVATE/legalIds"),
    "addresses": ("citizen", "/{m}/{unknown}?ShowClassified=false"),
    "contacts": ("contact_settings", "/{m}/settings?partyId={unknown}"),
}


async def check(section: DirectorySection, municipality_id: str) -> list[AccountHealth]:
    """Check the services that are used, in the order of the settings."""
    wanted = {
        name: path
        for setting, (name, path) in _CHECKS.items()
        if getattr(section, setting) == "remote"
    }
    return list(
        await asyncio.gather(
            *(
                _one(name, path, getattr(section.remote, name), municipality_id)
                for name, path in wanted.items()
            )
        )
    )


async def _one(
    name: str, path: str, settings: ServiceSettings, municipality_id: str
) -> AccountHealth:
    client, unknown = ServiceClient(name, settings), str(uuid4())
    try:
        body = None if "{unknown}" in path else orjson.dumps([unknown])
        return await client.check(path.format(m=municipality_id, unknown=unknown), body)
    finally:
        await client.close()


@dataclass(frozen=True, slots=True)
class ChosenDirectory:
    """``domain.directory_ports.Directory`` that delegates each query to its source."""

    parties: LegalIds
    addresses: AddressLookup
    contact_settings: Contacts

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
        return await self.contact_settings.contacts(municipality_id, party_id, filters)


@dataclass(frozen=True, slots=True)
class DirectorySetup:
    """The opened directory. ``keeps_contacts``: whether contact settings are local."""

    tables: DatabaseDirectory
    neighbours: Neighbours
    keeps_contacts: bool


@asynccontextmanager
async def opened(
    section: DirectorySection, tables: DatabaseDirectory
) -> AsyncIterator[DirectorySetup]:
    """Set up the directory. Connections are opened on demand, and closed on leaving."""
    async with AsyncExitStack() as stack:

        def client(name: str, settings: ServiceSettings | None) -> ServiceClient:
            assert settings is not None  # validated with the settings
            opened = ServiceClient(name, settings)
            stack.push_async_callback(opened.close)
            return opened

        local, remote = LocalDirectory(tables), section.remote
        directory = ChosenDirectory(
            PartyRegister(client("party", remote.party)) if section.parties == "remote" else local,
            PopulationRegister(client("citizen", remote.citizen), tables.parties)
            if section.addresses == "remote"
            else local,
            ContactRegister(client("contact settings", remote.contact_settings))
            if section.contacts == "remote"
            else local,
        )
        yield DirectorySetup(
            tables, Neighbours(directory, LocalSubscriptions(tables)), section.contacts == "local"
        )
