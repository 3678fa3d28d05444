"""The body that adds one letter to a print batch (contract section 4.11, with the members that its orchestrator drops)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from utskick.domain.attachment import Attachment
from utskick.domain.rules import (
    Base64,
    Body,
    FreeLine,
    FreeText,
    Line,
    Moment,
    Reference,
    Rule,
    Text,
    Uuid,
    decode_base64,
)

#: Characters of one line of an address; more fits no window.
LONGEST_LINE: Final = 100
#: Characters of a letter's text; about ten pages.
LONGEST_TEXT: Final = 50_000
#: What one letter may consist of.
MOST_ATTACHMENTS: Final = 20
#: Contract section 1.1, ``@ValidOrganizationNumber``.
_ORGANIZATION: Final = r"^([1235789][\d][2-9]\d{7})$"
_FORBIDDEN: Final = re.compile(r'["*<>?|/\\:]')


def is_folder_name(name: str) -> bool:
    """Contract section 1.1, ``@ValidFolderName``."""
    return bool(name.strip()) and not _FORBIDDEN.search(name) and not name.endswith((" ", "."))


def _at_most(size: int) -> tuple[str, Any]:
    return f"must not be longer than {size} characters", lambda value: len(value) <= size


AddressLine = Annotated[FreeLine, Rule((_at_most(LONGEST_LINE),), schema=(("maxLength", LONGEST_LINE),))]
FolderName = Annotated[FreeLine, Rule((("not a valid folder name", is_folder_name), _at_most(LONGEST_LINE)))]
Name = Annotated[Line, Rule((_at_most(200),), "must not be blank", (("maxLength", 200),))]
OrganizationNumber = Annotated[
    str,
    Rule(
        (
            (
                f"must match the regular expression {_ORGANIZATION}",
                lambda value: re.fullmatch(r"[1235789][0-9][2-9][0-9]{7}", value) is not None,
            ),
        )
    ),
]
LetterText = Annotated[FreeText, Rule((_at_most(LONGEST_TEXT),), schema=(("maxLength", LONGEST_TEXT),))]
Envelope = Literal["WINDOWED", "PLAIN"]
Enclosed = Rule(
    ((f"size must be between 0 and {MOST_ATTACHMENTS}", lambda value: len(value) <= MOST_ATTACHMENTS),),
    schema=(("maxItems", MOST_ATTACHMENTS),),
)


class ExternalReference(Body):
    """A pair of the caller's own, kept with the message."""

    key: Text
    value: Text


class SnailMailParty(Body):
    """Who the letter is to, when the caller knows."""

    party_id: Uuid | None = None
    external_references: list[ExternalReference] | None = None


class SnailMailAddress(Body):
    """Where the letter goes."""

    first_name: AddressLine | None = None
    last_name: AddressLine | None = None
    organization_name: AddressLine | None = None
    organization_number: OrganizationNumber | None = None
    address: AddressLine | None = None
    apartment_number: AddressLine | None = None
    care_of: AddressLine | None = None
    zip_code: AddressLine | None = None
    city: AddressLine | None = None
    country: AddressLine | None = None


class SnailMailAttachment(Body):
    """A PDF, as BASE64. ``envelope_type``: WINDOWED when the PDF carries the address itself; PLAIN, also when absent, when it does not."""

    filename: Name
    content_type: FreeLine | None = None
    content: Base64
    envelope_type: Envelope | None = None

    def decoded(self) -> Attachment:
        return Attachment.of(self.filename, self.content_type, decode_base64(self.content))


class SnailMailRequest(Body):
    """One letter: PDFs, or a text that is set as a letter, or both."""

    party: SnailMailParty | None = None
    address: SnailMailAddress | None = None
    department: Line
    deviation: FreeLine | None = None
    folder_name: FolderName | None = None
    attachments: Annotated[list[SnailMailAttachment], Enclosed] | None = None
    subject: FreeLine | None = None
    text: LetterText | None = None
    cover_page: bool = Field(False, description="An address page is put before the PDFs, for a windowed envelope")
    priority: Literal["HIGH", "NORMAL"] | None = None
    reference: Reference | None = None
    send_at: Moment | None = None
    valid_until: Moment | None = None

    @property
    def has_text(self) -> bool:
        return self.text is not None and bool(self.text.strip())

    @property
    def is_addressed_by_us(self) -> bool:
        """Whether the address comes into print from the request or the register: into the list, a cover page or a letter of text."""
        return self.has_text or self.cover_page or not self.attachments or self.attachments[0].envelope_type != "WINDOWED"
