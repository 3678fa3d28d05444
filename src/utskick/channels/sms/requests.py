"""Request bodies of single and batch SMS, in the full and the short form (contract 0.1)."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator

from utskick.channels.sms.sender_id import SenderId
from utskick.domain.recipient import Recipient, national_to_msisdn
from utskick.domain.request_parts import Department, ExternalReference, crowd
from utskick.domain.validators import (
    MSISDN_MESSAGE,
    Body,
    Constraint,
    Moment,
    Msisdn,
    Person,
    Reference,
    Text,
    Uuid,
    broken,
)

MOST_PARTIES: Final = 100_000
_PLAIN_MOBILE: Final = re.compile(r"07[02369][0-9]{7}\Z")

Crowd = crowd(MOST_PARTIES)


def _national(text: str) -> str:
    """Convert a Swedish or international number to E.164.

    Plain Swedish mobile numbers skip the general parser, which would take seconds for 100 000.
    """
    bare = text.replace(" ", "").replace("-", "")
    number = "+46" + bare[1:] if _PLAIN_MOBILE.match(bare) else national_to_msisdn(text)
    if number is None:
        raise broken(MSISDN_MESSAGE)
    return number


Number = Annotated[str, Constraint((), MSISDN_MESSAGE), AfterValidator(_national)]


class SmsBody(Body):
    """Members common to the four request forms; subclasses add the recipients."""

    many: ClassVar[bool]

    sender: SenderId | None = None
    message: Text
    priority: Literal["HIGH", "NORMAL"] | None = None
    department: Department | None = None
    reference: Reference | None = None
    send_at: Moment | None = None
    valid_until: Moment | None = None

    @abstractmethod
    def recipients(self) -> Iterator[Recipient]:
        """Iterate over the recipients in the request's order."""

    def references(self) -> Sequence[dict[str, Any]] | None:
        """Return the external references, or None if the form has no such member."""
        return None


class SmsParty(Body, title="SmsRequestParty"):
    """Identity of the single recipient."""

    party_id: Uuid | None = None
    external_references: list[ExternalReference] | None = None


class SmsRequest(SmsBody):
    """One SMS (contract section 4.1)."""

    many = False

    party: SmsParty | None = None
    mobile_number: Msisdn

    def recipients(self) -> Iterator[Recipient]:
        yield Recipient(self.mobile_number, self.party.party_id if self.party else None)

    def references(self) -> Sequence[dict[str, Any]] | None:
        pairs = self.party.external_references if self.party else None
        return None if pairs is None else [{"key": pair.key, "value": pair.value} for pair in pairs]


class SmsBatchParty(Body, title="SmsBatchRequestParty"):
    """One recipient of a batch."""

    party_id: Uuid | None = None
    mobile_number: Msisdn
    reference: Reference | None = None


class SmsBatchRequest(SmsBody):
    """One SMS to many recipients (contract section 4.2)."""

    many = True

    parties: Annotated[list[SmsBatchParty], Crowd]

    def recipients(self) -> Iterator[Recipient]:
        return (
            Recipient(party.mobile_number, party.party_id, party.reference)
            for party in self.parties
        )


class ShortSmsRequest(SmsBody):
    """One SMS in the short form (contract section 0.1): national numbers, any person identifier."""

    many = False

    person_id: Person | None = None
    mobile_number: Number

    def recipients(self) -> Iterator[Recipient]:
        yield Recipient(self.mobile_number, self.person_id)


class ShortSmsBatchParty(Body):
    """One recipient of a batch, in the short form."""

    person_id: Person | None = None
    mobile_number: Number
    reference: Reference | None = None


class ShortSmsBatchRequest(SmsBody):
    """One SMS to many recipients, in the short form."""

    many = True

    parties: Annotated[list[ShortSmsBatchParty], Crowd]

    def recipients(self) -> Iterator[Recipient]:
        return (
            Recipient(party.mobile_number, party.person_id, party.reference)
            for party in self.parties
        )
