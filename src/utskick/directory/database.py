"""Directory in the service's own database."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog

from utskick.directory.delegation import DelegationChain
from utskick.domain.contact_setting import ContactSetting
from utskick.domain.directory_ports import (
    Contact,
    Hidden,
    LegalId,
    Method,
    PostalAddress,
    Subscription,
)
from utskick.domain.ids import parse_id
from utskick.domain.outcome import Concern, Deferred, Reason
from utskick.store.crypto.cipher import Cipher, Locked
from utskick.store.database import PASSING, Database
from utskick.store.directory.contact_settings import ContactSettings
from utskick.store.directory.delegates import Delegates
from utskick.store.directory.parties import Parties
from utskick.store.directory.push_subscriptions import Subscriptions

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DatabaseDirectory:
    """Tables of the directory."""

    parties: Parties
    settings: ContactSettings
    delegates: Delegates
    subscriptions: Subscriptions
    chain: DelegationChain


def tables_of(database: Database, cipher: Cipher) -> DatabaseDirectory:
    """Build the tables on a database."""
    settings, delegates = ContactSettings(database, cipher), Delegates(database, cipher)
    return DatabaseDirectory(
        Parties(database, cipher),
        settings,
        delegates,
        Subscriptions(database, cipher),
        DelegationChain(settings, delegates),
    )


async def query(statement: Awaitable[T]) -> T | Deferred:
    """Run a query; ``Deferred`` if the database is unavailable or no key decrypts the data."""
    try:
        return await statement
    except PASSING as fault:
        return Deferred(
            Reason(
                "directory-away",
                f"the directory's database is unavailable ({type(fault).__name__})",
            ),
            concerns=Concern.OURSELVES,
        )
    except Locked as fault:
        log.error("directory-locked", advice=fault.detail)
        return Deferred(
            Reason("directory-locked", "no key in the settings decrypts the directory's data"),
            concerns=Concern.OURSELVES,
        )


class LocalDirectory:
    """Implementation of ``domain.directory_ports.Directory`` on the tables."""

    def __init__(self, tables: DatabaseDirectory) -> None:
        self._tables = tables

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        given = {text: uuid for text in party_ids if (uuid := parse_id(text)) is not None}
        known = await query(
            self._tables.parties.legal_ids(municipality_id, list(set(given.values())))
        )
        if isinstance(known, Deferred):
            return known
        return {text: known[uuid] for text, uuid in given.items() if uuid in known}

    async def address(
        self, municipality_id: str, party_id: str
    ) -> PostalAddress | Hidden | Deferred:
        party_uuid = parse_id(party_id)
        if party_uuid is None:
            return Hidden.NONE
        party = await query(self._tables.parties.get(municipality_id, party_uuid))
        if party is None:
            return Hidden.NONE
        if isinstance(party, Deferred):
            return party
        if party.protected:
            return Hidden.PROTECTED
        return party.address if party.address.is_complete else Hidden.NONE

    async def contacts(
        self, municipality_id: str, party_id: str, filters: Mapping[str, Sequence[str]]
    ) -> Sequence[Contact] | Deferred:
        party = parse_id(party_id)
        settings = (
            await query(self._tables.chain.of(municipality_id, party, filters)) if party else []
        )
        return settings if isinstance(settings, Deferred) else contacts_of(settings)


def contacts_of(settings: Iterable[ContactSetting]) -> list[Contact]:
    """Return all channels of all settings in order, without duplicates."""
    contacts = [
        Contact(channel.method, destination, channel.disabled)
        for setting in settings
        for channel in setting.channels
        if (
            destination := _devices(setting.party_id)
            if channel.method is Method.PUSH
            else channel.destination
        )
    ]
    return list(dict.fromkeys(contacts))


def _devices(party_id: UUID | None) -> str:
    """Return the party whose devices are addressed, "" for a virtual setting without party."""
    return str(party_id) if party_id else ""


class LocalSubscriptions:
    """Implementation of ``domain.directory_ports.SubscriptionLookup`` on the tables."""

    def __init__(self, tables: DatabaseDirectory) -> None:
        self._subscriptions = tables.subscriptions

    async def of(self, municipality_id: str, party_id: str) -> Sequence[Subscription] | Deferred:
        party = parse_id(party_id)
        return await query(self._subscriptions.of(municipality_id, party)) if party else []

    async def get(
        self, municipality_id: str, subscription_id: str
    ) -> Subscription | Deferred | None:
        uuid = parse_id(subscription_id)
        return await query(self._subscriptions.get(municipality_id, uuid)) if uuid else None

    async def gone(self, municipality_id: str, subscription_id: str) -> None:
        uuid = parse_id(subscription_id)
        if uuid is None:
            return
        if await query(self._subscriptions.delete(municipality_id, uuid)) is True:
            log.info(
                "subscription-gone", municipality=municipality_id, subscription=subscription_id
            )
