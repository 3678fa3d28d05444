"""Response models of the directory: contact settings, delegates, parties and devices."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from utskick.domain.directory_ports import Method
from utskick.http.directory.requests import AddressBody as PartyAddress
from utskick.http.directory.requests import NamesBody as PartyNames
from utskick.http.operation.schemas import Response, member


class ContactChannel(Response):
    """A contact channel."""

    contact_method: Method | None = member("Method of contact", "SMS")
    alias: str | None = member("Name by the calling system", "Arbetet")
    destination: str | None = member(
        "E.164 number or e-mail address; absent for PUSH", "+46701740605"
    )
    disabled: bool | None = member("`true`: the party declines contact by this channel", False)


class ContactSetting(Response):
    """Contact settings of a party."""

    id: UUID | None = member("Id", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87")
    party_id: UUID | None = member(
        "Party id of a person or an organisation", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"
    )
    municipality_id: str | None = member("Municipality", "2281")
    created_by_id: UUID | None = member(
        "The setting that created a virtual one", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"
    )
    alias: str | None = member("Name by the calling system", "Arbetet")
    virtual: bool | None = member("`true`: created by another setting, for delegates", False)
    contact_channels: list[ContactChannel] | None = member("Contact channels, first choice first")
    created: datetime | None = member("When it was created", "2026-02-25T15:54:39.254123+01:00")
    modified: datetime | None = member(
        "When it was last changed", "2026-02-25T15:54:39.254123+01:00"
    )


class FilterRule(Response):
    """A rule of a filter. `*` EQUALS `*` matches everything."""

    attribute_name: str | None = member("Name of the query parameter that is compared", "category")
    operator: Literal["EQUALS", "NOT_EQUALS"] | None = member("Comparison", "EQUALS")
    attribute_value: str | None = member("Value to compare with; `*` is any", "SCHOOL")


class Filter(Response):
    """A filter of a delegate: all of its rules must match."""

    id: UUID | None = member("Id", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87")
    alias: str | None = member("Name by the calling system", "Arbetet")
    channel: str | None = member("Channel that the filter applies to", "SMS")
    created: datetime | None = member("When it was created", "2026-02-25T15:54:39.254123+01:00")
    modified: datetime | None = member(
        "When it was last changed", "2026-02-25T15:54:39.254123+01:00"
    )
    rules: list[FilterRule] | None = member("Rules, all of which must match")


class Delegate(Response):
    """A delegate: the agent receives copies of the principal's messages where a filter matches."""

    id: UUID | None = member("Id", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87")
    principal_id: UUID | None = member(
        "Contact setting of the principal", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"
    )
    agent_id: UUID | None = member(
        "Contact setting of the agent", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"
    )
    created: datetime | None = member("When it was created", "2026-02-25T15:54:39.254123+01:00")
    modified: datetime | None = member(
        "When it was last changed", "2026-02-25T15:54:39.254123+01:00"
    )
    filters: list[Filter] | None = member("Filters, one of which must match")


class RegisteredParty(Response):
    """A party of the directory with a masked number."""

    party_id: UUID | None = member(
        "Party id of a person or an organisation", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"
    )
    type: Literal["PRIVATE", "ENTERPRISE"] | None = member("A person or an organisation", "PRIVATE")
    legal_id: str | None = member(
        "Swedish personal, coordination or organisation number, masked", "19900101-****"
    )
    names: PartyNames | None = member("A person's names, or an organisation's")
    address: PartyAddress | None = member("Address; absent where the identity is protected")
    protected: bool | None = member(
        "`true`: the identity is protected and the address is not returned", False
    )


class PushSubscription(Response):
    """A device that receives push messages."""

    id: UUID | None = member("Id", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87")
    kind: Literal["webpush", "fcm"] | None = member("Browser or app", "webpush")
    created: datetime | None = member("When it was created", "2026-02-25T15:54:39.254123+01:00")


class SubscriptionId(Response):
    """Id of a device."""

    id: UUID | None = member("Id", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87")
