"""Parts of requests that several of them have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from utskick_client.wire import Body

Priority = Literal["HIGH", "NORMAL"]


@dataclass(frozen=True)
class ExternalReference(Body):
    """A pair of the caller's own, kept with the message."""

    key: str
    value: str


@dataclass(frozen=True)
class Party(Body):
    """Whom the message concerns. ``party_id``: a UUID, for the conversation history."""

    party_id: str | None = None
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True)
class Parties(Body):
    """People, each by a party id (UUID)."""

    party_ids: Sequence[str]
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True, kw_only=True)
class Address(Body):
    """A postal address."""

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
    """Whom the reader of a digital mail can ask."""

    text: str
    email_address: str | None = None
    phone_number: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class DigitalSender(Body):
    """What the reader of a digital mail is told of its sender."""

    support_info: SupportInfo


@dataclass(frozen=True)
class EmailSender(Body):
    """Whom an e-mail is from, as the reader sees it."""

    name: str
    address: str
    reply_to: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sending(Body):
    """What may be said of nearly every sending itself.

    ``reference``: 1-64 characters of the caller's own; it comes back with the answer, the status,
    history and events. ``send_at``, ``valid_until``: without a time zone they are Swedish local
    time.
    """

    priority: Priority | None = None
    reference: str | None = None
    send_at: datetime | None = None
    valid_until: datetime | None = None
