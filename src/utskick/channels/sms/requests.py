"""Request bodies of single and batch SMS, in the full and the short form (contract 0.1)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from utskick.channels.sms.sender_id import SenderId
from utskick.domain.recipient import Recipient
from utskick.domain.request_parts import (
    DEPARTMENT,
    PRIORITY,
    REFERENCE,
    SEND_AT,
    VALID_UNTIL,
    Department,
    ExternalReference,
    crowd,
)
from utskick.domain.validators import (
    Body,
    Moment,
    Msisdn,
    Person,
    Phone,
    Reference,
    Text,
    Uuid,
)

MOST_PARTIES: Final = 100_000

Crowd = crowd(MOST_PARTIES)


class SmsBody(Body):
    """Members common to the four request forms; subclasses add the recipients."""

    many: ClassVar[bool]

    sender: SenderId | None = Field(default=None, description="Sender; default: as configured")
    message: Text = Field(description="Text", examples=["Skolan är stängd i dag."])
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY
    department: Department | None = DEPARTMENT
    reference: Reference | None = REFERENCE
    send_at: Moment | None = SEND_AT
    valid_until: Moment | None = VALID_UNTIL

    @abstractmethod
    def recipients(self) -> Iterator[Recipient]:
        """Iterate over the recipients in the request's order."""

    def references(self) -> Sequence[dict[str, Any]] | None:
        """Return the external references, or None if the form has no such member."""
        return None


class SmsParty(Body, title="SmsRequestParty"):
    """Identity of the single recipient."""

    party_id: Uuid | None = Field(
        default=None,
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    external_references: list[ExternalReference] | None = Field(
        default=None, description="Key-value pairs of the calling system, stored with the message"
    )


class SmsRequest(SmsBody):
    """One SMS (contract section 4.1)."""

    example: ClassVar[Any] = {
        "sender": "Sundsvall",
        "mobileNumber": "+46701740605",
        "message": "Skolan är stängd i dag.",
    }

    many = False

    party: SmsParty | None = Field(default=None, description="The recipient")
    mobile_number: Msisdn = Field(description="E.164 number", examples=["+46701740605"])

    def recipients(self) -> Iterator[Recipient]:
        yield Recipient(self.mobile_number, self.party.party_id if self.party else None)

    def references(self) -> Sequence[dict[str, Any]] | None:
        pairs = self.party.external_references if self.party else None
        return None if pairs is None else [{"key": pair.key, "value": pair.value} for pair in pairs]


class SmsBatchParty(Body, title="SmsBatchRequestParty"):
    """One recipient of a batch."""

    party_id: Uuid | None = Field(
        default=None,
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    mobile_number: Msisdn = Field(description="E.164 number", examples=["+46701740605"])
    reference: Reference | None = REFERENCE


class SmsBatchRequest(SmsBody):
    """One SMS to many recipients (contract section 4.2)."""

    example: ClassVar[Any] = {
        "sender": "Sundsvall",
        "message": "Skolan är stängd i dag.",
        "parties": [
            {"mobileNumber": "+46701740605", "reference": "rad-1"},
            {"mobileNumber": "+46701740606", "reference": "rad-2"},
        ],
    }

    many = True

    parties: Annotated[list[SmsBatchParty], Crowd] = Field(description="Recipients")

    def recipients(self) -> Iterator[Recipient]:
        return (
            Recipient(party.mobile_number, party.party_id, party.reference)
            for party in self.parties
        )


class ShortSmsRequest(SmsBody):
    """One SMS in the short form (contract section 0.1): national numbers, any person identifier."""

    example: ClassVar[Any] = {
        "sender": "Sundsvall",
        "mobileNumber": "0701740605",
        "personId": "435rfret45",
        "message": "Skolan är stängd i dag.",
    }

    many = False

    person_id: Person | None = Field(
        default=None,
        description="Id of a person, chosen by the calling system",
        examples=["435rfret45"],
    )
    mobile_number: Phone = Field(description="E.164 number", examples=["+46701740605"])

    def recipients(self) -> Iterator[Recipient]:
        yield Recipient(self.mobile_number, self.person_id)


class ShortSmsBatchParty(Body):
    """One recipient of a batch, in the short form."""

    person_id: Person | None = Field(
        default=None,
        description="Id of a person, chosen by the calling system",
        examples=["435rfret45"],
    )
    mobile_number: Phone = Field(description="E.164 number", examples=["+46701740605"])
    reference: Reference | None = REFERENCE


class ShortSmsBatchRequest(SmsBody):
    """One SMS to many recipients, in the short form."""

    example: ClassVar[Any] = {
        "sender": "Sundsvall",
        "message": "Skolan är stängd i dag.",
        "parties": [{"mobileNumber": "0701740605", "personId": "435rfret45"}],
    }

    many = True

    parties: Annotated[list[ShortSmsBatchParty], Crowd] = Field(description="Recipients")

    def recipients(self) -> Iterator[Recipient]:
        return (
            Recipient(party.mobile_number, party.person_id, party.reference)
            for party in self.parties
        )
