"""Request bodies of single and batch e-mail, in full and short form (contract 0.1, 4.3, 4.4)."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from utskick.channels.email.addresses import is_deliverable
from utskick.channels.email.custom_headers import check_headers
from utskick.domain import validators as rules
from utskick.domain.attachment import Attachment
from utskick.domain.characters import code_points
from utskick.domain.recipient import Recipient
from utskick.domain.request_parts import (
    DEPARTMENT,
    PRIORITY,
    REFERENCE,
    SEND_AT,
    VALID_UNTIL,
    Department,
    ExternalReference,
)
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
    broken,
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
#: Direction embeddings, overrides and isolates: they make a name look like another, also its
#: extension (Unicode Technical Report 36, section 3.6).
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def _unreordered(name: str) -> str:
    if found := _REORDERING.findall(name):
        what = code_points("".join(found))
        raise broken(f"must not contain characters that change the direction of text: {what}")
    return name


FileName = Annotated[Title, AfterValidator(_unreordered)]
Headers = Annotated[dict[str, list[str] | None], AfterValidator(check_headers)]
_BatchSize = Constraint(
    ((f"size must be between 1 and {BATCH_LIMIT}", lambda v: len(v) <= BATCH_LIMIT),),
    schema=(("maxItems", BATCH_LIMIT),),
)


class EmailParty(Body, title="EmailRequestParty"):
    """The party that the message concerns."""

    party_id: Uuid | None = Field(
        default=None,
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    external_references: list[ExternalReference] | None = Field(
        default=None, description="Key-value pairs of the calling system, stored with the message"
    )


class EmailSender(Body, title="EmailSender"):
    """The sender, as displayed to the reader."""

    name: Title = Field(description="Name that the recipient sees", examples=["Sundsvall"])
    address: Email = Field(description="Sender address", examples=["noreply@example.se"])
    reply_to: ReplyTo | None = Field(
        default=None, description="Reply address", examples=["svar@example.se"]
    )

    def members(self) -> dict[str, Any]:
        """Return the JSON members that have a value."""
        return {k: v for k, v in self.model_dump(by_alias=True).items() if v}


class EmailAttachment(Body):
    """A file in base64."""

    name: FileName = Field(description="The name of the file", examples=["beslut.pdf"])
    content_type: FreeLine | None = Field(
        default=None, description="The media type", examples=["application/pdf"]
    )
    content: Base64 = Field(description="Content of the file in Base64", examples=["SGVqIQ=="])

    def decoded(self) -> Attachment:
        return Attachment.of(self.name, self.content_type, decode_base64(self.content))


class _Scheduling(Body):
    """Members common to all bodies that concern delivery (contract 0.2)."""

    reference: Reference | None = REFERENCE
    send_at: Moment | None = SEND_AT
    valid_until: Moment | None = VALID_UNTIL
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY
    department: Department | None = DEPARTMENT


class _Content(_Scheduling):
    """Members common to a single message and a batch."""

    subject: Title = Field(description="The subject", examples=["Skolan i dag"])
    message: FreeText | None = Field(
        default=None, description="Text", examples=["Skolan är stängd i dag."]
    )
    html_message: Base64 | None = Field(
        default=None, description="HTML text of an e-mail in Base64", examples=["PHA+SGVqITwvcD4="]
    )
    sender: EmailSender | None = Field(default=None, description="Sender; default: as configured")
    attachments: list[EmailAttachment] | None = Field(default=None, description="Files")
    headers: Headers | None = Field(
        default=None,
        description="E-mail headers with their values: `Message-ID`, `In-Reply-To`, "
        "`References`, `Auto-Submitted`, `List-Unsubscribe`, `List-Unsubscribe-Post`",
        examples=[{"Auto-Submitted": ["auto-generated"]}],
    )

    def content(self) -> dict[str, Any]:
        """Return the JSON members stored as content, without recipients, sender, attachments."""
        return self.model_dump(
            by_alias=True,
            exclude_none=True,
            include={"subject", "message", "html_message", "headers"},
        )


class EmailRequest(_Content):
    """An e-mail to one recipient."""

    example: ClassVar[Any] = {
        "emailAddress": "anna@example.se",
        "subject": "Skolan i dag",
        "message": "Skolan är stängd i dag.",
        "htmlMessage": "PHA+U2tvbGFuIMOkciA8Yj5zdMOkbmdkPC9iPiBpIGRhZy48L3A+",
        "sender": {"name": "Sundsvalls kommun", "address": "noreply@example.se"},
    }

    party: EmailParty | None = Field(default=None, description="The recipient")
    email_address: Email = Field(
        description="The recipient's e-mail address", examples=["anna@example.se"]
    )

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

    party_id: Uuid | None = Field(
        default=None,
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    email_address: Email = Field(
        description="The recipient's e-mail address", examples=["anna@example.se"]
    )
    reference: Reference | None = REFERENCE


class EmailBatchRequest(_Content):
    """One e-mail to many recipients, one message to each."""

    example: ClassVar[Any] = {
        "parties": [
            {"emailAddress": "anna@example.se", "reference": "rad-1"},
            {"emailAddress": "nils@example.se", "reference": "rad-2"},
        ],
        "subject": "Skolan i dag",
        "message": "Skolan är stängd i dag.",
        "sender": {"name": "Sundsvalls kommun", "address": "noreply@example.se"},
    }

    parties: Annotated[list[EmailBatchParty], NotEmpty, _BatchSize] = Field(
        description="Recipients"
    )

    def recipients(self) -> list[Recipient]:
        return [Recipient(p.email_address, p.party_id, p.reference) for p in self.parties]


class _ShortContent(_Scheduling):
    """Members of the short form: plain text from a plain address."""

    sender: Email = Field(description="Sender; default: as configured")
    subject: Title | None = Field(
        default=None, description="The subject", examples=["Skolan i dag"]
    )
    message: Text = Field(description="Text", examples=["Skolan är stängd i dag."])

    def content(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True, exclude_none=True, include={"subject", "message"})


class ShortEmailRequest(_ShortContent):
    """An e-mail to one recipient, in the short form."""

    example: ClassVar[Any] = {
        "sender": "noreply@example.se",
        "emailAddress": "anna@example.se",
        "personId": "435rfret45",
        "subject": "Skolan i dag",
        "message": "Skolan är stängd i dag.",
    }

    email_address: Email = Field(
        description="The recipient's e-mail address", examples=["anna@example.se"]
    )
    person_id: Person | None = Field(
        default=None,
        description="Id of a person, chosen by the calling system",
        examples=["435rfret45"],
    )

    def recipients(self) -> list[Recipient]:
        return [Recipient(self.email_address, self.person_id)]


class ShortEmailBatchParty(Body):
    """One recipient of a batch in the short form."""

    person_id: Person | None = Field(
        default=None,
        description="Id of a person, chosen by the calling system",
        examples=["435rfret45"],
    )
    email_address: Email = Field(
        description="The recipient's e-mail address", examples=["anna@example.se"]
    )
    reference: Reference | None = REFERENCE


class ShortEmailBatchRequest(_ShortContent):
    """One e-mail to many recipients, in the short form."""

    example: ClassVar[Any] = {
        "sender": "noreply@example.se",
        "subject": "Skolan i dag",
        "message": "Skolan är stängd i dag.",
        "parties": [{"emailAddress": "anna@example.se", "personId": "435rfret45"}],
    }

    parties: Annotated[list[ShortEmailBatchParty], NotEmpty, _BatchSize] = Field(
        description="Recipients"
    )

    def recipients(self) -> list[Recipient]:
        return [Recipient(p.email_address, p.person_id, p.reference) for p in self.parties]


AnyEmailRequest = EmailRequest | EmailBatchRequest | ShortEmailRequest | ShortEmailBatchRequest
