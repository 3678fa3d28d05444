"""Request body of a letter (contract section 4.10)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from utskick.domain.attachment import Attachment
from utskick.domain.request_parts import (
    AddressBody,
    DigitalSender,
    ExternalReference,
    FileContent,
    NeededDepartment,
    crowd,
    one_of,
)
from utskick.domain.validators import (
    CLEAN,
    NOT_BLANK,
    UTF8,
    Body,
    Constraint,
    FreeLine,
    FreeText,
    Moment,
    Reference,
    Uuid,
    decode_base64,
)

MOST_RECIPIENTS: Final = 100_000
#: Maximum number of PDFs in one letter.
MOST_ATTACHMENTS: Final = 20

Mode = Literal["ANY", "DIGITAL_MAIL", "SNAIL_MAIL"]


class LetterParty(Body):
    """The recipients: parties (digital mail first, where possible) and addresses (snail mail)."""

    party_ids: Annotated[list[Uuid], crowd(MOST_RECIPIENTS, least=0)] | None = None
    addresses: Annotated[list[AddressBody], crowd(MOST_RECIPIENTS, least=0)] | None = None
    external_references: list[ExternalReference] | None = None


class LetterAttachment(Body):
    """A PDF in base64, with the delivery modes allowed for it."""

    delivery_mode: Mode
    filename: Annotated[
        str, Constraint((NOT_BLANK, CLEAN, UTF8), "must not be blank", (("minLength", 1),))
    ]
    content_type: Annotated[str, one_of("application/pdf")] | None = None
    content: FileContent

    def decoded(self) -> Attachment:
        return Attachment.of(self.filename, "application/pdf", decode_base64(self.content))

    def goes_by(self, mode: Mode) -> bool:
        return self.delivery_mode in ("ANY", mode)


class LetterRequest(Body):
    """One letter to any number of recipients."""

    party: LetterParty
    subject: FreeLine | None = None
    sender: DigitalSender | None = None
    content_type: Annotated[str, one_of("text/plain", "text/html")] | None = None
    body: FreeText | None = None
    department: NeededDepartment
    deviation: FreeLine | None = None
    attachments: Annotated[list[LetterAttachment], crowd(MOST_ATTACHMENTS)]
    reference: Reference | None = None
    send_at: Moment | None = None
    priority: Literal["HIGH", "NORMAL"] | None = None

    def stored_members(self) -> dict[str, Any]:
        """Return the members stored as content, without recipients and attachments."""
        members = {"subject", "sender", "content_type", "body", "department", "deviation"}
        content = self.model_dump(by_alias=True, exclude_none=True, include=members)
        if self.party.external_references is not None:
            content["party"] = {
                "externalReferences": [r.model_dump() for r in self.party.external_references]
            }
        return content
