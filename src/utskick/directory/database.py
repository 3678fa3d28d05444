"""The directory in our own tables."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog

from utskick.directory.delegation import Chain
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
from utskick.domain.outcome import Deferred, Reason
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
    """What the directory keeps."""

    parties: Parties
    settings: ContactSettings
    delegates: Delegates
    subscriptions: Subscriptions
    chain: Chain


def tables_of(database: Database, cipher: Cipher) -> DatabaseDirectory:
    settings, delegates = ContactSettings(database, cipher), Delegates(database, cipher)
    return DatabaseDirectory(
        Parties(database, cipher),
        settings,
        delegates,
        Subscriptions(database, cipher),
        Chain(settings, delegates),
    )


async def told(asked: Awaitable[T]) -> T | Deferred:
    """What the database says; ``Deferred`` where it cannot be asked now, or holds what no key
    opens."""
    try:
        return await asked
    except PASSING as fault:
        return Deferred(
            Reason(
                "directory-away",
                f"the directory's database cannot be asked now ({type(fault).__name__})",
            )
        )
    except Locked as fault:
        log.error("directory-locked", advice=fault.detail)
        return Deferred(
            Reason("directory-locked", "the directory holds data that no key in the settings opens")
        )


class LocalDirectory:
    """``domain.people.Directory`` from the tables."""

    def __init__(self, tables: DatabaseDirectory) -> None:
        self._tables = tables

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        given = {text: found for text in party_ids if (found := parse_id(text)) is not None}
        known = await told(
            self._tables.parties.legal_ids(municipality_id, list(set(given.values())))
        )
        if isinstance(known, Deferred):
            return known
        return {text: known[found] for text, found in given.items() if found in known}

    async def address(
        self, municipality_id: str, party_id: str
    ) -> PostalAddress | Hidden | Deferred:
        found = parse_id(party_id)
        party = await told(self._tables.parties.get(municipality_id, found)) if found else None
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
        found = parse_id(party_id)
        settings = (
            await told(self._tables.chain.of(municipality_id, found, filters)) if found else []
        )
        return settings if isinstance(settings, Deferred) else contacts_of(settings)


def contacts_of(settings: Iterable[ContactSetting]) -> list[Contact]:
    """All channels of all settings, in their order; the same one twice is one."""
    found = [
        Contact(channel.method, destination, channel.disabled)
        for setting in settings
        for channel in setting.channels
        if (
            destination := _devices(setting.party_id)
            if channel.method is Method.PUSH
            else channel.destination
        )
    ]
    return list(dict.fromkeys(found))


def _devices(party_id: UUID | None) -> str:
    """A virtual setting belongs to nobody, and nobody's devices are meant."""
    return str(party_id) if party_id else ""


class LocalSubscriptions:
    """``domain.people.Subscriptions`` from the tables."""

    def __init__(self, tables: DatabaseDirectory) -> None:
        self._subscriptions = tables.subscriptions

    async def of(self, municipality_id: str, party_id: str) -> Sequence[Subscription] | Deferred:
        found = parse_id(party_id)
        return await told(self._subscriptions.of(municipality_id, found)) if found else []

    async def get(
        self, municipality_id: str, subscription_id: str
    ) -> Subscription | Deferred | None:
        found = parse_id(subscription_id)
        return await told(self._subscriptions.get(municipality_id, found)) if found else None

    async def gone(self, municipality_id: str, subscription_id: str) -> None:
        if (found := parse_id(subscription_id)) is not None and await told(
            self._subscriptions.delete(municipality_id, found)
        ) is True:
            log.info(
                "subscription-gone", municipality=municipality_id, subscription=subscription_id
            )
