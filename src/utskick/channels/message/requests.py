"""Request body of ``POST /messages`` (contract section 4.9)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from utskick.domain.request_parts import (
    PRIORITY,
    REFERENCE,
    SEND_AT,
    VALID_UNTIL,
    ExternalReference,
    crowd,
)
from utskick.domain.validators import (
    CLEAN,
    NOT_BLANK,
    UTF8,
    Base64,
    Body,
    Composed,
    Constraint,
    Email,
    FreeLine,
    FreeText,
    Moment,
    OptionalEmail,
    Reference,
    Text,
    Uuid,
)

MOST_MESSAGES: Final = 10_000
Crowd = crowd(MOST_MESSAGES)
SmsName = Annotated[
    str,
    Composed,
    Constraint(
        (NOT_BLANK, CLEAN, UTF8, ("size must be between 0 and 11", lambda name: len(name) <= 11)),
        "must not be blank",
        (("minLength", 1), ("maxLength", 11)),
    ),
]
Name = Annotated[
    str, Composed, Constraint((NOT_BLANK, CLEAN, UTF8), "must not be blank", (("minLength", 1),))
]


class MessageEmailSender(Body, title="Email"):
    """Sender of an e-mail."""

    name: Name = Field(description="Name that the recipient sees", examples=["Sundsvall"])
    address: Email = Field(description="Sender address", examples=["noreply@example.se"])
    reply_to: OptionalEmail | None = Field(
        default=None, description="Reply address", examples=["svar@example.se"]
    )


class MessageSmsSender(Body, title="Sms"):
    """Sender of an SMS."""

    name: SmsName = Field(description="Name that the recipient sees", examples=["Sundsvall"])


class MessageSender(Body, title="MessageSender"):
    """Senders by channel."""

    email: MessageEmailSender | None = Field(default=None, description="Content for e-mail")
    sms: MessageSmsSender | None = Field(default=None, description="Content for SMS")


class MessageParty(Body):
    """The party whose contact settings apply."""

    party_id: Uuid = Field(
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    external_references: list[ExternalReference] | None = Field(
        default=None, description="Key-value pairs of the calling system, stored with the message"
    )


class Message(Body):
    """One message to one person. ``filters``: select the delegates who receive it too."""

    party: MessageParty = Field(description="The recipient")
    filters: dict[str, list[FreeText]] | None = Field(
        default=None,
        description="Names and values that are matched against the filters of the party's "
        "delegates",
    )
    sender: MessageSender | None = Field(default=None, description="Sender; default: as configured")
    subject: FreeLine | None = Field(
        default=None, description="The subject", examples=["Skolan i dag"]
    )
    message: Text = Field(description="Text", examples=["Skolan är stängd i dag."])
    html_message: Base64 | None = Field(
        default=None, description="HTML text of an e-mail in Base64", examples=["PHA+SGVqITwvcD4="]
    )
    reference: Reference | None = REFERENCE

    def stored_members(self) -> dict[str, Any]:
        """Return the members stored as content, without the party id."""
        content = self.model_dump(
            by_alias=True,
            exclude_none=True,
            include={"filters", "sender", "subject", "message", "html_message"},
        )
        if self.party.external_references is not None:
            content["party"] = {
                "externalReferences": [r.model_dump() for r in self.party.external_references]
            }
        return content


class MessageRequest(Body):
    """Any number of messages, each with its own content."""

    example: ClassVar[Any] = {
        "messages": [
            {
                "party": {"partyId": "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"},
                "subject": "Biblioteket",
                "message": "Din bok finns att hämta.",
            }
        ]
    }

    messages: Annotated[list[Message], Crowd] = Field(description="Messages")
    reference: Reference | None = REFERENCE
    send_at: Moment | None = SEND_AT
    valid_until: Moment | None = VALID_UNTIL
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY
