"""Request bodies of single and batch e-mail, in full and short form (contract 0.1, 4.3, 4.4)."""

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

#: Maximum number of recipients in a batch.
BATCH_LIMIT = 100_000

_WELL_FORMED = "must be a well-formed email address"

Email = Annotated[rules.Email, Constraint(((_WELL_FORMED, is_deliverable),), "must not be blank")]
ReplyTo = Annotated[
    rules.OptionalEmail, Constraint(((_WELL_FORMED, lambda v: v == "" or is_deliverable(v)),))
]
#: Longer headers can be folded, but mail servers truncate or reject them.
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
    """The party that the message concerns."""

    party_id: Uuid | None = None
    external_references: list[ExternalReference] | None = None


class EmailSender(Body, title="EmailSender"):
    """The sender, as displayed to the reader."""

    name: Title
    address: Email
    reply_to: ReplyTo | None = None

    def members(self) -> dict[str, Any]:
        """Return the JSON members that have a value."""
        return {k: v for k, v in self.model_dump(by_alias=True).items() if v}


class EmailAttachment(Body):
    """A file in base64."""

    name: Title
    content_type: FreeLine | None = None
    content: Base64

    def decoded(self) -> Attachment:
        return Attachment.of(self.name, self.content_type, decode_base64(self.content))


class _Scheduling(Body):
    """Members common to all bodies that concern delivery (contract 0.2)."""

    reference: Reference | None = None
    send_at: Moment | None = None
    valid_until: Moment | None = None
    priority: Literal["HIGH", "NORMAL"] | None = None
    department: Department | None = None


class _Content(_Scheduling):
    """Members common to a single message and a batch."""

    subject: Title
    message: FreeText | None = None
    html_message: Base64 | None = None
    sender: EmailSender | None = None
    attachments: list[EmailAttachment] | None = None
    headers: Headers | None = None

    def content(self) -> dict[str, Any]:
        """Return the JSON members stored as content, without recipients, sender, attachments."""
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
        references = self.party.external_references if self.party else None
        if references is None:
            return super().content()
        return {
            "party": {"externalReferences": [r.model_dump() for r in references]},
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
    """One e-mail to many recipients, one message to each."""

    parties: Annotated[list[EmailBatchParty], NotEmpty, _BatchSize]

    def recipients(self) -> list[Recipient]:
        return [Recipient(p.email_address, p.party_id, p.reference) for p in self.parties]


class _ShortContent(_Scheduling):
    """Members of the short form: plain text from a plain address."""

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
    """One e-mail to many recipients, in the short form."""

    parties: Annotated[list[ShortEmailBatchParty], NotEmpty, _BatchSize]

    def recipients(self) -> list[Recipient]:
        return [Recipient(p.email_address, p.person_id, p.reference) for p in self.parties]


AnyEmailRequest = EmailRequest | EmailBatchRequest | ShortEmailRequest | ShortEmailBatchRequest
