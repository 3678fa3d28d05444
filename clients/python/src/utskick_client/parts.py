"""Parts shared by several requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from utskick_client.wire import Body

Priority = Literal["HIGH", "NORMAL"]


@dataclass(frozen=True)
class ExternalReference(Body):
    """Key and value chosen by you, stored with the message."""

    key: str
    value: str


@dataclass(frozen=True)
class Party(Body):
    """Recipient in the conversation history; ``party_id`` is a UUID."""

    party_id: str | None = None
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True)
class Parties(Body):
    """Recipients by party id (UUID)."""

    party_ids: Sequence[str]
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True, kw_only=True)
class Address(Body):
    """Postal address."""

    first_name: str | None = None
    last_name: str | None = None
    organization_name: str | None = None
    organization_number: str | None = None
    address: str | None = None
    apartment_number: str | None = None
    care_of: str | None = None
    zip_code: str | None = None
    city: str | None = None
    country: str | None = None


@dataclass(frozen=True)
class SupportInfo(Body):
    """Contact details shown to the reader of a digital mail."""

    text: str
    email_address: str | None = None
    phone_number: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class DigitalSender(Body):
    """Sender details shown to the reader of a digital mail."""

    support_info: SupportInfo


@dataclass(frozen=True)
class EmailSender(Body):
    """Sender of an e-mail, as displayed to the reader."""

    name: str
    address: str
    reply_to: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sending(Body):
    """Members shared by nearly all requests.

    ``reference``: your own reference of 1-64 characters, returned in responses, status, history and
    events. ``send_at``, ``valid_until``: Swedish local time if they have no time zone.
    """

    priority: Priority | None = None
    reference: str | None = None
    send_at: datetime | None = None
    valid_until: datetime | None = None
