"""Who people are and how they want to be reached, as channels may ask for it. Answers are values;
``Deferred`` when nobody can tell now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from utskick.domain.outcome import Deferred


@dataclass(frozen=True, slots=True, repr=False)
class LegalId:
    """A personal or coordination number (12 digits), or an organisation number (10 digits). Never
    written to a log or a URL of ours."""

    number: str

    @property
    def is_organization(self) -> bool:
        return len(self.number) == 10

    @property
    def twelve(self) -> str:
        """As Mina Meddelanden writes it: an organisation gets the prefix 16 (providers: Recipient
        service, recipientId)."""
        return "16" + self.number if self.is_organization else self.number

    def __repr__(self) -> str:
        return "LegalId(…)"


@dataclass(frozen=True, slots=True, repr=False)
class PostalAddress:
    """Where a letter goes. ``lines`` of it are the printing channel's matter. ``country`` None:
    Sweden."""

    first_name: str | None = None
    last_name: str | None = None
    organization: str | None = None
    care_of: str | None = None
    street: str | None = None
    apartment: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether a letter could find its way: a place, and a street or somebody who takes care of
        it there."""
        return bool(
            (self.street or self.care_of) and (self.postal_code or self.country) and self.city
        )

    def __repr__(self) -> str:
        return "PostalAddress(…)"


class PartyKind(StrEnum):
    """The neighbours' words: a person, or an organisation."""

    PRIVATE = "PRIVATE"
    ENTERPRISE = "ENTERPRISE"


@dataclass(frozen=True, slots=True, repr=False)
class Party:
    """Somebody whom the municipality knows. ``protected``: protected identity; the address is then
    given to nobody."""

    id: UUID
    legal_id: LegalId
    address: PostalAddress = PostalAddress()
    protected: bool = False

    @property
    def kind(self) -> PartyKind:
        return PartyKind.ENTERPRISE if self.legal_id.is_organization else PartyKind.PRIVATE

    def __repr__(self) -> str:
        return f"Party({self.id}, …)"


class Hidden(StrEnum):
    """Why an address may not be used for an automatic letter."""

    PROTECTED = "protected"  # protected identity (sekretessmarkering, skyddad folkbokföring)
    NONE = "none"  # no such person, or no address in the register


class Method(StrEnum):
    """How somebody wants to be reached."""

    SMS = "SMS"
    EMAIL = "EMAIL"
    PUSH = "PUSH"


@dataclass(frozen=True, slots=True, repr=False)
class Contact:
    """One contact channel of a person or of a delegate. ``method`` None: a word that we do not
    know.

    ``destination``: a number in E.164 or an e-mail address; of PUSH the id of the party whose
    devices are meant.
    """

    method: Method | None
    destination: str
    disabled: bool = False

    def __repr__(self) -> str:
        return f"Contact({self.method}, …)"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A device that takes push messages. ``id``: what a delivery's destination names; ``address``:
    the channel's own JSON."""

    id: str
    kind: str
    address: Mapping[str, str]


class LegalIds(Protocol):
    """Which number a party id stands for."""

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        """Of those that are known, by the ids as they were given; a party that is missing in the
        answer has none. At most 1 000 a call."""
        ...


class AddressLookup(Protocol):
    """Where somebody lives."""

    async def address(
        self, municipality_id: str, party_id: str
    ) -> PostalAddress | Hidden | Deferred:
        """The address in the population register (or of the organisation)."""
        ...


class Contacts(Protocol):
    """How somebody wants to be reached."""

    async def contacts(
        self, municipality_id: str, party_id: str, filters: Mapping[str, Sequence[str]]
    ) -> Sequence[Contact] | Deferred:
        """The person's own contact channels and those of delegates whose filters match; empty: no
        settings are known."""
        ...


class Directory(LegalIds, AddressLookup, Contacts, Protocol):
    """Reads only. Each of the three may be kept by a service of its own."""


class SubscriptionLookup(Protocol):
    """Who takes push messages, and where. ``address`` of a browser: endpoint, p256dh, auth; of an
    app: token."""

    async def of(
        self, municipality_id: str, party_id: str
    ) -> Sequence[Subscription] | Deferred: ...

    async def get(
        self, municipality_id: str, subscription_id: str
    ) -> Subscription | Deferred | None: ...

    async def gone(self, municipality_id: str, subscription_id: str) -> None:
        """The push service says that it does not exist any more: removed. Where that is not
        possible now, the next one says so again."""
        ...


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a channel may ask besides its provider, handed over by ``bootstrap``."""

    directory: Directory
    subscriptions: SubscriptionLookup
