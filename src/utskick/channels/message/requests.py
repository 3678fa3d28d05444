"""Request body of ``POST /messages`` (contract section 4.9)."""

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


class MessageEmailSender(Body, title="Email"):
    """Sender of an e-mail."""

    name: Name
    address: Email
    reply_to: OptionalEmail | None = None


class MessageSmsSender(Body, title="Sms"):
    """Sender of an SMS."""

    name: SmsName


class MessageSender(Body, title="MessageSender"):
    """Senders by channel."""

    email: MessageEmailSender | None = None
    sms: MessageSmsSender | None = None


class MessageParty(Body):
    """The party whose contact settings apply."""

    party_id: Uuid
    external_references: list[ExternalReference] | None = None


class Message(Body):
    """One message to one person. ``filters``: select the delegates who receive it too."""

    party: MessageParty
    filters: dict[str, list[FreeText]] | None = None
    sender: MessageSender | None = None
    subject: FreeLine | None = None
    message: Text
    html_message: Base64 | None = None
    reference: Reference | None = None

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

    messages: Annotated[list[Message], Crowd]
    reference: Reference | None = None
    send_at: Moment | None = None
    valid_until: Moment | None = None
    priority: Literal["HIGH", "NORMAL"] | None = None
