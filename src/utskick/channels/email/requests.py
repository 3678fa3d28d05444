"""The bodies that ask for e-mail: one or many recipients, each in the long form and in the short
one (contract 0.1, 4.3, 4.4)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from utskick.channels.email.addresses import is_deliverable
from utskick.channels.email.custom_headers import check_headers
from utskick.domain import validators as rules
from utskick.domain.attachment import Attachment
from utskick.domain.recipient import Recipient
from utskick.domain.request_parts import Department, ExternalReference
from utskick.domain.validators import (
    Base64,
    Body,
    Constraint,
    FreeLine,
    FreeText,
    Line,
    Moment,
    NotEmpty,
    Person,
    Reference,
    Text,
    Uuid,
    decode_base64,
)

#: Recipients of one batch.
BATCH_LIMIT = 100_000

_WELL_FORMED = "must be a well-formed email address"

Email = Annotated[rules.Email, Constraint(((_WELL_FORMED, is_deliverable),), "must not be blank")]
ReplyTo = Annotated[
    rules.OptionalEmail, Constraint(((_WELL_FORMED, lambda v: v == "" or is_deliverable(v)),))
]
#: A header is folded, but mail servers cut off or refuse what is very long, and readers show no
#: more.
_LONGEST = 1000
Title = Annotated[
    Line,
    Constraint(
        ((f"must not be longer than {_LONGEST} characters", lambda v: len(v) <= _LONGEST),),
        "must not be blank",
        (("maxLength", _LONGEST),),
    ),
]
Headers = Annotated[dict[str, list[str] | None], AfterValidator(check_headers)]
_BatchSize = Constraint(
    ((f"size must be between 1 and {BATCH_LIMIT}", lambda v: len(v) <= BATCH_LIMIT),),
    schema=(("maxItems", BATCH_LIMIT),),
)


class EmailParty(Body, title="EmailRequestParty"):
    """Whom the message concerns."""

    party_id: Uuid | None = None
    external_references: list[ExternalReference] | None = None


class Sender(Body, title="EmailSender"):
    """Whom the message is from, as the reader sees it."""

    name: Title
    address: Email
    reply_to: ReplyTo | None = None

    def members(self) -> dict[str, Any]:
        return {k: v for k, v in self.model_dump(by_alias=True).items() if v}


class EmailAttachment(Body):
    """A file, as BASE64."""

    name: Title
    content_type: FreeLine | None = None
    content: Base64

    def decoded(self) -> Attachment:
        return Attachment.of(self.name, self.content_type, decode_base64(self.content))


class _Sending(Body):
    """What every body may say of the sending itself (contract 0.2)."""

    reference: Reference | None = None
    send_at: Moment | None = None
    valid_until: Moment | None = None
    priority: Literal["HIGH", "NORMAL"] | None = None
    department: Department | None = None


class _Content(_Sending):
    """What is said: the members that a single message and a batch share."""

    subject: Title
    message: FreeText | None = None
    html_message: Base64 | None = None
    sender: Sender | None = None
    attachments: list[EmailAttachment] | None = None
    headers: Headers | None = None

    def content(self) -> dict[str, Any]:
        """The JSON members that history shows, without recipients, sender and attachments."""
        return self.model_dump(
            by_alias=True,
            exclude_none=True,
            include={"subject", "message", "html_message", "headers"},
        )


class EmailRequest(_Content):
    """An e-mail to one recipient."""

    party: EmailParty | None = None
    email_address: Email

    def content(self) -> dict[str, Any]:
        told = self.party.external_references if self.party else None
        if told is None:
            return super().content()
        return {
            "party": {"externalReferences": [r.model_dump() for r in told]},
            **super().content(),
        }

    def recipients(self) -> list[Recipient]:
        return [Recipient(self.email_address, self.party.party_id if self.party else None)]


class EmailBatchParty(Body, title="Party"):
    """One recipient of a batch."""

    party_id: Uuid | None = None
    email_address: Email
    reference: Reference | None = None


class EmailBatchRequest(_Content):
    """The same e-mail to many recipients, one message to each."""

    parties: Annotated[list[EmailBatchParty], NotEmpty, _BatchSize]

    def recipients(self) -> list[Recipient]:
        return [Recipient(p.email_address, p.party_id, p.reference) for p in self.parties]


class _ShortContent(_Sending):
    """The short form: plain text from a plain address."""

    sender: Email
    subject: Title | None = None
    message: Text

    def content(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True, exclude_none=True, include={"subject", "message"})


class ShortEmailRequest(_ShortContent):
    """An e-mail to one recipient, in the short form."""

    email_address: Email
    person_id: Person | None = None

    def recipients(self) -> list[Recipient]:
        return [Recipient(self.email_address, self.person_id)]


class ShortEmailBatchParty(Body):
    """One recipient of a batch in the short form."""

    person_id: Person | None = None
    email_address: Email
    reference: Reference | None = None


class ShortEmailBatchRequest(_ShortContent):
    """The same e-mail to many recipients, in the short form."""

    parties: Annotated[list[ShortEmailBatchParty], NotEmpty, _BatchSize]

    def recipients(self) -> list[Recipient]:
        return [Recipient(p.email_address, p.person_id, p.reference) for p in self.parties]


AnyEmailRequest = EmailRequest | EmailBatchRequest | ShortEmailRequest | ShortEmailBatchRequest
