"""Who people are and how they want to be reached, as channels may ask for it. Answers are values; ``Deferred`` when nobody can tell now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from utskick.domain.outcome import Deferred


@dataclass(frozen=True, slots=True, repr=False)
class LegalId:
    """A personal or coordination number (12 digits), or an organisation number (10 digits). Never written to a log or a URL of ours."""

    number: str

    @property
    def is_organization(self) -> bool:
        return len(self.number) == 10

    @property
    def twelve(self) -> str:
        """As Mina Meddelanden writes it: an organisation gets the prefix 16 (providers: Recipient service, recipientId)."""
        return "16" + self.number if self.is_organization else self.number

    def __repr__(self) -> str:
        return "LegalId(…)"


@dataclass(frozen=True, slots=True, repr=False)
class PostalAddress:
    """Where a letter goes. ``lines`` of it are the printing channel's matter. ``country`` None: Sweden."""

    first_name: str | None = None
    last_name: str | None = None
    organization: str | None = None
    care_of: str | None = None
    street: str | None = None
    apartment: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: str | None = None

    def __repr__(self) -> str:
        return "PostalAddress(…)"


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
    """One contact channel of a person or of a delegate. ``method`` None: a word that we do not know."""

    method: Method | None
    destination: str
    disabled: bool = False

    def __repr__(self) -> str:
        return f"Contact({self.method}, …)"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A device that takes push messages. ``id``: what a delivery's destination names; ``address``: the channel's own JSON."""

    id: str
    kind: str
    address: Mapping[str, str]


class Directory(Protocol):
    """Reads only."""

    async def legal_ids(self, municipality_id: str, party_ids: Sequence[str]) -> Mapping[str, LegalId] | Deferred:
        """Of those that are known; a party that is missing in the answer has none. At most 1 000 a call."""
        ...

    async def address(self, municipality_id: str, party_id: str) -> PostalAddress | Hidden | Deferred:
        """The address in the population register (or of the organisation)."""
        ...

    async def contacts(self, municipality_id: str, party_id: str, filters: Mapping[str, Sequence[str]]) -> Sequence[Contact] | Deferred:
        """The person's own contact channels and those of delegates whose filters match; empty: no settings are known."""
        ...


class Subscriptions(Protocol):
    """Who takes push messages, and where."""

    async def of(self, municipality_id: str, party_id: str) -> Sequence[Subscription]: ...

    async def get(self, municipality_id: str, subscription_id: str) -> Subscription | None: ...

    async def gone(self, municipality_id: str, subscription_id: str) -> None:
        """The push service says that it does not exist any more: removed."""
        ...

    async def add(self, municipality_id: str, party_id: str, kind: str, address: Mapping[str, str]) -> str:
        """Returns the subscription's id; the same address again keeps the id it had."""
        ...


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a channel may ask besides its provider, handed over by app.py."""

    directory: Directory
    subscriptions: Subscriptions
