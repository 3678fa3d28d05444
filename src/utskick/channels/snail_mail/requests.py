"""Request body of a letter in a print batch (contract section 4.11, including Q-marked members)."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field

from utskick.domain.attachment import Attachment
from utskick.domain.request_parts import (
    LONGEST_LINE,
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

    party_id: Uuid | None = None
    external_references: list[ExternalReference] | None = None


class SnailMailAttachment(Body, title="SnailmailAttachment"):
    """A PDF in base64.

    ``envelope_type``: WINDOWED if the PDF shows the address itself, else PLAIN, the default.
    """

    filename: Name
    content_type: FreeLine | None = None
    content: Base64
    envelope_type: Envelope | None = None

    def decoded(self) -> Attachment:
        return Attachment.of(self.filename, self.content_type, decode_base64(self.content))


class SnailMailRequest(Body, title="SnailmailRequest"):
    """One letter: PDFs, or a text to typeset, or both."""

    party: SnailMailParty | None = None
    address: AddressBody | None = None
    department: NeededDepartment
    deviation: FreeLine | None = None
    folder_name: FolderName | None = None
    attachments: Annotated[list[SnailMailAttachment], Enclosed] | None = None
    subject: FreeLine | None = None
    text: LetterText | None = None
    cover_page: bool = Field(
        False, description="Add an address page before the PDFs, for a windowed envelope"
    )
    priority: Literal["HIGH", "NORMAL"] | None = None
    reference: Reference | None = None
    send_at: Moment | None = None
    valid_until: Moment | None = None

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
