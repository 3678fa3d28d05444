"""What channels may query about people: who they are, and how they want to be reached.

Answers are values; ``Deferred`` where the directory is unavailable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from utskick.domain.outcome import Deferred


@dataclass(frozen=True, slots=True, repr=False)
class LegalId:
    """A personal or coordination number (12 digits), or an organisation number (10 digits).

    Never written to a log or into a URL.
    """

    number: str

    @property
    def is_organization(self) -> bool:
        return len(self.number) == 10

    @property
    def twelve(self) -> str:
        """The form of Mina Meddelanden: an organisation gets the prefix 16 (recipientId)."""
        return "16" + self.number if self.is_organization else self.number

    def __repr__(self) -> str:
        return "LegalId(…)"


@dataclass(frozen=True, slots=True, repr=False)
class PostalAddress:
    """An address. The printing channel makes lines of it. ``country`` None: Sweden."""

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
        """Whether a letter could be delivered: it has a city, and a street or a care-of name."""
        return bool(
            (self.street or self.care_of) and (self.postal_code or self.country) and self.city
        )

    def __repr__(self) -> str:
        return "PostalAddress(…)"


class PartyKind(StrEnum):
    """The kinds of parties, in the words of the municipality's services."""

    PRIVATE = "PRIVATE"
    ENTERPRISE = "ENTERPRISE"


@dataclass(frozen=True, slots=True, repr=False)
class Party:
    """A person or organisation that the municipality knows.

    ``protected``: protected identity; the address is then given to nobody.
    """

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
    """The contract's contact methods."""

    SMS = "SMS"
    EMAIL = "EMAIL"
    PUSH = "PUSH"


@dataclass(frozen=True, slots=True, repr=False)
class Contact:
    """One contact channel of a person or of a delegate. ``method`` None: an unknown word.

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
    """A device that receives push messages.

    ``id``: what a delivery's destination names. ``address``: the channel's own JSON.
    """

    id: str
    kind: str
    address: Mapping[str, str]


class LegalIds(Protocol):
    """Lookup of the number that a party id stands for."""

    async def legal_ids(
        self, municipality_id: str, party_ids: Sequence[str]
    ) -> Mapping[str, LegalId] | Deferred:
        """Return the numbers of known parties, by the ids as they were given; at most 1 000 a call.

        A party that is missing in the answer has none.
        """
        ...


class AddressLookup(Protocol):
    """Lookup of postal addresses."""

    async def address(
        self, municipality_id: str, party_id: str
    ) -> PostalAddress | Hidden | Deferred:
        """Return the address in the population register (or of the organisation)."""
        ...


class Contacts(Protocol):
    """Lookup of contact settings."""

    async def contacts(
        self, municipality_id: str, party_id: str, filters: Mapping[str, Sequence[str]]
    ) -> Sequence[Contact] | Deferred:
        """Return the person's contact channels and those of delegates whose filters match.

        Empty: no settings are known.
        """
        ...


class Directory(LegalIds, AddressLookup, Contacts, Protocol):
    """The directory, read only. Each of its three parts may be a service of its own."""


class SubscriptionLookup(Protocol):
    """Lookup of the devices that receive push messages.

    ``address`` of a browser: endpoint, p256dh, auth; of an app: token.
    """

    async def of(
        self, municipality_id: str, party_id: str
    ) -> Sequence[Subscription] | Deferred: ...

    async def get(
        self, municipality_id: str, subscription_id: str
    ) -> Subscription | Deferred | None: ...

    async def gone(self, municipality_id: str, subscription_id: str) -> None:
        """Remove a subscription that the push service reports as gone.

        Where that is not possible now, the next report removes it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a channel may use besides its provider, handed over by ``bootstrap``."""

    directory: Directory
    subscriptions: SubscriptionLookup
