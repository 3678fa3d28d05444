"""Request body of a letter (contract section 4.10)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from utskick.domain.attachment import Attachment
from utskick.domain.request_parts import (
    EXAMPLE_ADDRESS,
    EXAMPLE_PDF,
    PRIORITY,
    REFERENCE,
    SEND_AT,
    AddressBody,
    DigitalSender,
    ExternalReference,
    FileContent,
    FileName,
    NeededDepartment,
    crowd,
    one_of,
)
from utskick.domain.validators import (
    Body,
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

    party_ids: Annotated[list[Uuid], crowd(MOST_RECIPIENTS, least=0)] | None = Field(
        default=None, description="Party ids of persons and organisations"
    )
    addresses: Annotated[list[AddressBody], crowd(MOST_RECIPIENTS, least=0)] | None = Field(
        default=None, description="Postal addresses, each of which receives a copy on paper"
    )
    external_references: list[ExternalReference] | None = Field(
        default=None, description="Key-value pairs of the calling system, stored with the message"
    )


class LetterAttachment(Body):
    """A PDF in base64, with the delivery modes allowed for it."""

    delivery_mode: Mode = Field(description="Channels that may carry the file", examples=["ANY"])
    filename: FileName = Field(description="The name of the file", examples=["beslut.pdf"])
    content_type: Annotated[str, one_of("application/pdf")] | None = Field(
        default=None, description="The media type", examples=["application/pdf"]
    )
    content: FileContent = Field(description="Content of the file in Base64", examples=["SGVqIQ=="])

    def decoded(self) -> Attachment:
        return Attachment.of(self.filename, "application/pdf", decode_base64(self.content))

    def goes_by(self, mode: Mode) -> bool:
        return self.delivery_mode in ("ANY", mode)


class LetterRequest(Body):
    """One letter to any number of recipients."""

    example: ClassVar[Any] = {
        "party": {
            "partyIds": ["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
            "addresses": [EXAMPLE_ADDRESS],
        },
        "subject": "Beslut",
        "contentType": "text/plain",
        "body": "Beslutet är bifogat.",
        "department": "SBK(Gatuavdelningen, Trafiksektionen)",
        "attachments": [
            {
                "deliveryMode": "ANY",
                "filename": "beslut.pdf",
                "contentType": "application/pdf",
                "content": EXAMPLE_PDF,
            }
        ],
    }

    party: LetterParty = Field(description="The recipient")
    subject: FreeLine | None = Field(
        default=None, description="The subject", examples=["Skolan i dag"]
    )
    sender: DigitalSender | None = Field(default=None, description="Sender; default: as configured")
    content_type: Annotated[str, one_of("text/plain", "text/html")] | None = Field(
        default=None, description="Media type of `body`", examples=["text/plain"]
    )
    body: FreeText | None = Field(
        default=None,
        description="The text; in Base64 where `contentType` is `text/html`",
        examples=["Hej!"],
    )
    department: NeededDepartment = Field(
        description="Department and unit that is billed and counted in statistics",
        examples=["SBK(Gatuavdelningen, Trafiksektionen)"],
    )
    deviation: FreeLine | None = Field(
        default=None, description="Deviation in printing", examples=["A3 Ritning"]
    )
    attachments: Annotated[list[LetterAttachment], crowd(MOST_ATTACHMENTS)] = Field(
        description="Files"
    )
    reference: Reference | None = REFERENCE
    send_at: Moment | None = SEND_AT
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY

    def stored_members(self) -> dict[str, Any]:
        """Return the members stored as content, without recipients and attachments."""
        members = {"subject", "sender", "content_type", "body", "department", "deviation"}
        content = self.model_dump(by_alias=True, exclude_none=True, include=members)
        if self.party.external_references is not None:
            content["party"] = {
                "externalReferences": [r.model_dump() for r in self.party.external_references]
            }
        return content
