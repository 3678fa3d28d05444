"""Request body of a letter in a print batch (contract section 4.11, including Q-marked members)."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from utskick.domain.attachment import Attachment
from utskick.domain.request_parts import (
    EXAMPLE_ADDRESS,
    EXAMPLE_PDF,
    LONGEST_LINE,
    PRIORITY,
    REFERENCE,
    SEND_AT,
    VALID_UNTIL,
    AddressBody,
    ExternalReference,
    NeededDepartment,
    at_most,
)
from utskick.domain.validators import (
    Base64,
    Body,
    Constraint,
    FreeLine,
    FreeText,
    Line,
    Moment,
    Reference,
    Uuid,
    decode_base64,
)

#: Maximum characters of a letter's text; about ten pages.
LONGEST_TEXT: Final = 50_000
#: Maximum number of PDFs in one letter.
MOST_ATTACHMENTS: Final = 20
_FORBIDDEN: Final = re.compile(r'["*<>?|/\\:]')


def is_folder_name(name: str) -> bool:
    """Return whether the name is a valid folder name (contract section 1.1, @ValidFolderName)."""
    return bool(name.strip()) and not _FORBIDDEN.search(name) and not name.endswith((" ", "."))


FolderName = Annotated[
    FreeLine, Constraint((("not a valid folder name", is_folder_name), at_most(LONGEST_LINE)))
]
Name = Annotated[Line, Constraint((at_most(200),), "must not be blank", (("maxLength", 200),))]
LetterText = Annotated[
    FreeText, Constraint((at_most(LONGEST_TEXT),), schema=(("maxLength", LONGEST_TEXT),))
]
Envelope = Literal["WINDOWED", "PLAIN"]
Enclosed = Constraint(
    (
        (
            f"size must be between 0 and {MOST_ATTACHMENTS}",
            lambda value: len(value) <= MOST_ATTACHMENTS,
        ),
    ),
    schema=(("minItems", 1), ("maxItems", MOST_ATTACHMENTS)),
)


class SnailMailParty(Body, title="SnailmailParty"):
    """The recipient as a party."""

    party_id: Uuid | None = Field(
        default=None,
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    external_references: list[ExternalReference] | None = Field(
        default=None, description="Key-value pairs of the calling system, stored with the message"
    )


class SnailMailAttachment(Body, title="SnailmailAttachment"):
    """A PDF in base64.

    ``envelope_type``: WINDOWED if the PDF shows the address itself, else PLAIN, the default.
    """

    filename: Name = Field(description="The name of the file", examples=["beslut.pdf"])
    content_type: FreeLine | None = Field(
        default=None, description="The media type", examples=["application/pdf"]
    )
    content: Base64 = Field(description="Content of the file in Base64", examples=["SGVqIQ=="])
    envelope_type: Envelope | None = Field(
        default=None,
        description="`WINDOWED`: the PDF has the address on its first page. `PLAIN` (default): "
        "it has not",
        examples=["PLAIN"],
    )

    def decoded(self) -> Attachment:
        return Attachment.of(self.filename, self.content_type, decode_base64(self.content))


class SnailMailRequest(Body, title="SnailmailRequest"):
    """One letter: PDFs, or a text to typeset, or both."""

    example: ClassVar[Any] = {
        "address": EXAMPLE_ADDRESS,
        "department": "SBK(Gatuavdelningen, Trafiksektionen)",
        "attachments": [
            {"filename": "beslut.pdf", "contentType": "application/pdf", "content": EXAMPLE_PDF}
        ],
    }

    party: SnailMailParty | None = Field(default=None, description="The recipient")
    address: AddressBody | None = Field(default=None, description="Street address or box")
    department: NeededDepartment = Field(
        description="Department and unit that is billed and counted in statistics",
        examples=["SBK(Gatuavdelningen, Trafiksektionen)"],
    )
    deviation: FreeLine | None = Field(
        default=None, description="Deviation in printing", examples=["A3 Ritning"]
    )
    folder_name: FolderName | None = Field(
        default=None,
        description="Name of the folder at the printing house",
        examples=["Sundsvalls kommun"],
    )
    attachments: Annotated[list[SnailMailAttachment], Enclosed] | None = Field(
        default=None, description="Files"
    )
    subject: FreeLine | None = Field(
        default=None, description="The subject", examples=["Skolan i dag"]
    )
    text: LetterText | None = Field(
        default=None,
        description="Text to typeset as a letter, in addition to or instead of PDFs",
        examples=["Hej!"],
    )
    cover_page: bool = Field(
        False, description="Add an address page before the PDFs, for a windowed envelope"
    )
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY
    reference: Reference | None = REFERENCE
    send_at: Moment | None = SEND_AT
    valid_until: Moment | None = VALID_UNTIL

    @property
    def has_text(self) -> bool:
        return self.text is not None and bool(self.text.strip())

    @property
    def is_addressed_by_us(self) -> bool:
        """Whether we print the address: in the address list, on a cover page or on a text."""
        return (
            self.has_text
            or self.cover_page
            or not self.attachments
            or self.attachments[0].envelope_type != "WINDOWED"
        )
