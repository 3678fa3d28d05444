"""The body of ``POST /messages`` (contract section 4.9)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from utskick.domain.request_parts import ExternalReference, crowd
from utskick.domain.validators import (
    CLEAN,
    NOT_BLANK,
    UTF8,
    Base64,
    Body,
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
    Constraint(
        (NOT_BLANK, CLEAN, UTF8, ("size must be between 0 and 11", lambda name: len(name) <= 11)),
        "must not be blank",
        (("minLength", 1), ("maxLength", 11)),
    ),
]
Name = Annotated[
    str, Constraint((NOT_BLANK, CLEAN, UTF8), "must not be blank", (("minLength", 1),))
]


class EmailSender(Body, title="Email"):
    """Who an e-mail is from."""

    name: Name
    address: Email
    reply_to: OptionalEmail | None = None


class SmsSender(Body, title="Sms"):
    """Who an SMS is from."""

    name: SmsName


class Sender(Body, title="MessageSender"):
    """By the way that the message goes."""

    email: EmailSender | None = None
    sms: SmsSender | None = None


class MessageParty(Body):
    """Whose contact settings decide."""

    party_id: Uuid
    external_references: list[ExternalReference] | None = None


class Message(Body):
    """One message to one person. ``filters``: which of their delegates are asked too."""

    party: MessageParty
    filters: dict[str, list[FreeText]] | None = None
    sender: Sender | None = None
    subject: FreeLine | None = None
    message: Text
    html_message: Base64 | None = None
    reference: Reference | None = None

    def said(self) -> dict[str, Any]:
        """The members that history shows, without the party id."""
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
    """Any number of messages, each with what it says."""

    messages: Annotated[list[Message], Crowd]
    reference: Reference | None = None
    send_at: Moment | None = None
    valid_until: Moment | None = None
    priority: Literal["HIGH", "NORMAL"] | None = None
