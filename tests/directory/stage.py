"""People to put into a directory: drawn at random, with numbers that are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from stdnum import luhn

from tests.changes import change
from utskick.directory.database import DatabaseDirectory, tables_of
from utskick.domain.contact_setting import (
    ContactChannel,
    ContactSetting,
    Delegate,
    Filter,
    Operator,
    Rule,
)
from utskick.domain.directory_ports import LegalId, Method, Party, PostalAddress
from utskick.domain.ids import new_id
from utskick.store.crypto.cipher import Cipher
from utskick.store.database import Database
from utskick.store.directory.contact_settings import Made
from utskick.store.directory.delegates import Delegated

MID, OTHER = "2281", "2260"
NOW = datetime(2026, 10, 18, 12, tzinfo=UTC)
SAFE = Cipher([bytes(32)])
HOME = PostalAddress(
    "Anna", "Svensson", street="Storgatan 1", postal_code="852 30", city="Sundsvall"
)


def person(serial: int, day: str = "19900101") -> LegalId:
    nine = f"{day[2:]}{serial:03}"
    return LegalId(day[:2] + nine + luhn.calc_check_digit(nine))


def organization(serial: int) -> LegalId:
    nine = f"2120{serial:05}"
    return LegalId(nine + luhn.calc_check_digit(nine))


def sms(number: str, *, disabled: bool = False) -> ContactChannel:
    return ContactChannel(Method.SMS, "mobil", number, disabled)


class People:
    """Puts people and their wishes into the tables."""

    def __init__(self, database: Database, safe: Cipher = SAFE) -> None:
        self.tables: DatabaseDirectory = tables_of(database, safe)

    async def party(
        self,
        legal_id: LegalId,
        address: PostalAddress = HOME,
        *,
        protected: bool = False,
        mid: str = MID,
    ) -> Party:
        party = Party(new_id(), legal_id, address, protected)
        await self.tables.parties.put(party, change(mid))
        return party

    async def setting(
        self,
        *channels: ContactChannel,
        party: UUID | None = None,
        maker: ContactSetting | None = None,
        mid: str = MID,
    ) -> ContactSetting:
        owner = party or (None if maker else new_id())
        setting = ContactSetting(
            new_id(), owner, maker.id if maker else None, "mina", channels, NOW, NOW
        )
        assert await self.tables.settings.create(setting, change(mid)) is Made.CREATED
        return setting

    async def delegate(
        self,
        principal: ContactSetting,
        agent: ContactSetting,
        *filters: Sequence[Rule],
        mid: str = MID,
    ) -> Delegate:
        found = tuple(Filter(new_id(), None, None, tuple(rules), NOW, NOW) for rules in filters)
        delegate = Delegate(new_id(), principal.id, agent.id, found, NOW, NOW)
        assert await self.tables.delegates.create(delegate, change(mid)) is Delegated.CREATED
        return delegate

    async def told(self, setting: ContactSetting, mid: str = MID, **query: str) -> list[str]:
        """The numbers of everybody who is told, in order."""
        assert setting.party_id is not None
        asked: Mapping[str, Sequence[str]] = {name: [value] for name, value in query.items()}
        found = await self.tables.chain.of(mid, setting.party_id, asked)
        return [channel.destination for each in found for channel in each.channels]


def equals(attribute: str, value: str) -> Rule:
    return Rule(attribute, Operator.EQUALS, value)


def differs(attribute: str, value: str) -> Rule:
    return Rule(attribute, Operator.NOT_EQUALS, value)
