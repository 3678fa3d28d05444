"""Parts of request bodies that several channels share."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from utskick.domain.email_address import is_email
from utskick.domain.validators import (
    CLEAN,
    CLEAN_LINES,
    LONGEST_NAME,
    NO_NUL,
    NOT_BLANK,
    UTF8,
    Body,
    Composed,
    Constraint,
    Folded,
    FreeText,
    Line,
    Verbatim,
    VisibleAddress,
    is_base64,
)

#: A PDF of one empty page.
EXAMPLE_PDF: Final = b64encode(
    b"%PDF-1.4\n"
    b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>endobj\n"
    b"xref\n"
    b"0 4\n"
    b"0000000000 65535 f \n"
    b"0000000009 00000 n \n"
    b"0000000052 00000 n \n"
    b"0000000101 00000 n \n"
    b"trailer<</Size 4/Root 1 0 R>>\n"
    b"startxref\n"
    b"178\n"
    b"%%EOF\n"
).decode()
#: A postal address, for examples.
EXAMPLE_ADDRESS: Final = {
    "firstName": "Anna",
    "lastName": "Andersson",
    "address": "Storgatan 1",
    "zipCode": "85230",
    "city": "Sundsvall",
}
#: Members that the bodies of most channels have, each with its description and example.
DEPARTMENT: Final[Any] = Field(
    default=None,
    description="Department and unit that is billed and counted in statistics",
    examples=["SBK(Gatuavdelningen, Trafiksektionen)"],
)
PRIORITY: Final[Any] = Field(
    default=None, description="Priority; `HIGH` is sent before others", examples=["NORMAL"]
)
REFERENCE: Final[Any] = Field(
    default=None,
    description="Reference of the calling system, returned in responses, status, history "
    "and events",
    examples=["rad-17"],
)
SEND_AT: Final[Any] = Field(
    default=None,
    description="Earliest time to send (RFC 3339); Swedish time where it has no zone",
    examples=["2035-10-09T08:00:00+02:00"],
)
VALID_UNTIL: Final[Any] = Field(
    default=None,
    description="Latest time to send (RFC 3339); Swedish time where it has no zone",
    examples=["2035-10-10T08:00:00+02:00"],
)
#: Characters of one line of an address; more fits no window.
LONGEST_LINE: Final = 100
_NO_XML: Final = re.compile("[\ufffe\uffff]")
_URI: Final = re.compile(r"[^\s<>\"{}|\\^`\x00-\x1f]+\Z")
#: Recipient.xsd of Mina Meddelanden, EMailAdress.
_DOTTED: Final = re.compile(r".+@.+\..+\Z")
_ORGANIZATION: Final = r"^([1235789][\d][2-9]\d{7})$"

XML = ("must not contain characters that XML cannot hold", lambda v: not _NO_XML.search(v))


def at_most(size: int) -> tuple[str, Any]:
    return f"must not be longer than {size} characters", lambda value: len(value) <= size


def size_up_to(most: int) -> tuple[str, Any]:
    """Return the rule of a length in the contract's words."""
    return f"size must be between 0 and {most}", lambda v: len(v) <= most


def line_up_to(most: int) -> Constraint:
    """Return the rule of one line of at most so many characters (schemas of Mina Meddelanden)."""
    return Constraint((CLEAN, UTF8, XML, size_up_to(most)), schema=(("maxLength", most),))


def one_of(*words: str) -> Constraint:
    sentence = f"must be one of: [{', '.join(words)}]"
    return Constraint(((sentence, lambda v: v in words),), sentence, (("enum", words),))


def crowd(most: int, least: int = 1) -> Constraint:
    """Return the rule of a list of at most so many, and where ``least`` is 1 not an empty one."""
    empty = (("must not be empty", bool),) if least else ()
    size = (f"size must be between {least} and {most}", lambda found: len(found) <= most)
    return Constraint(
        (*empty, size),
        "must not be empty",
        ((*((("minItems", least),) if least else ()), ("maxItems", most))),
    )


Id255 = Annotated[str, line_up_to(255)]
Line255 = Annotated[str, Composed, line_up_to(255)]
SupportText = Annotated[
    str,
    Composed,
    Constraint(
        (NOT_BLANK, NO_NUL, CLEAN_LINES, UTF8, XML, size_up_to(1024)),
        "must not be blank",
        (("minLength", 1), ("maxLength", 1024)),
    ),
]
SupportEmail = Annotated[
    str,
    VisibleAddress,
    Constraint(
        (
            (
                "must be a well-formed email address",
                lambda v: v == "" or (is_email(v) and _DOTTED.match(v) is not None),
            ),
            ("size must be between 5 and 256", lambda v: v == "" or 5 <= len(v) <= 256),
            XML,
        ),
        schema=(("format", "email"), ("maxLength", 256)),
    ),
]
SupportUrl = Annotated[
    str,
    Constraint(
        (
            ("must be a URL", lambda v: v == "" or _URI.match(v) is not None),
            UTF8,
            XML,
            size_up_to(255),
        ),
        schema=(("maxLength", 255),),
    ),
]
AddressLine = Annotated[
    str,
    Folded,
    Composed,
    Constraint((CLEAN, UTF8, at_most(LONGEST_LINE)), schema=(("maxLength", LONGEST_LINE),)),
]
OrganizationNumber = Annotated[
    str,
    Constraint(
        (
            (
                f"must match the regular expression {_ORGANIZATION}",
                lambda value: re.fullmatch(r"[1235789][0-9][2-9][0-9]{7}", value) is not None,
            ),
        ),
        schema=(("pattern", _ORGANIZATION),),
    ),
]
Department = Annotated[
    FreeText, Constraint((size_up_to(LONGEST_NAME),), schema=(("maxLength", LONGEST_NAME),))
]
NeededDepartment = Annotated[
    Line,
    Constraint((size_up_to(LONGEST_NAME),), "must not be blank", (("maxLength", LONGEST_NAME),)),
]
#: The name of a file of a letter or of a digital mail, as long as a file system takes it.
FileName = Annotated[
    str,
    Composed,
    Constraint(
        (NOT_BLANK, CLEAN, UTF8, XML, size_up_to(255)),
        "must not be blank",
        (("minLength", 1), ("maxLength", 255)),
    ),
]
#: A file of a letter or of a digital mail; null is reported otherwise than blank.
FileContent = Annotated[
    str,
    Constraint(
        (NOT_BLANK, ("not a valid BASE64-encoded string", lambda v: not v.strip() or is_base64(v))),
        "must not be blank",
        (("contentEncoding", "base64"), ("minLength", 1)),
    ),
]


class ExternalReference(Body):
    """A pair of the caller's own, kept with the message."""

    key: Verbatim = Field(description="Name of the key", examples=["flowInstanceId"])
    value: Verbatim = Field(description="Its value", examples=["12345"])


class SupportInfo(Body, title="DigitalMailSenderSupportInfo"):
    """Contact details for the recipient's questions."""

    text: SupportText = Field(
        description="Text about whom to contact", examples=["Ring oss om du undrar något"]
    )
    email_address: SupportEmail | None = Field(
        default=None, description="The recipient's e-mail address", examples=["anna@example.se"]
    )
    phone_number: Line255 | None = Field(
        default=None, description="Phone number", examples=["060-191000"]
    )
    url: SupportUrl | None = Field(
        default=None, description="URL with more information", examples=["https://example.se"]
    )


class DigitalSender(Body, title="DigitalMailSender"):
    """What the recipient of a digital mail sees of its sender."""

    support_info: SupportInfo = Field(description="Contact for questions")


class AddressBody(Body, title="Address"):
    """A postal address (contract section 4), with the organisation that its orchestrator drops."""

    additions: ClassVar = frozenset({"organization_name", "organization_number"})

    first_name: AddressLine | None = Field(
        default=None, description="The first name", examples=["Anna"]
    )
    last_name: AddressLine | None = Field(
        default=None, description="The last name", examples=["Andersson"]
    )
    organization_name: AddressLine | None = Field(
        default=None,
        description="Name of an organisation that the letter is sent to",
        examples=["Exempelbolaget AB"],
    )
    organization_number: OrganizationNumber | None = Field(
        default=None, description="Organisation number", examples=["2120002411"]
    )
    address: AddressLine | None = Field(
        default=None, description="Street address or box", examples=["Storgatan 1"]
    )
    apartment_number: AddressLine | None = Field(
        default=None, description="The number of the apartment", examples=["1101"]
    )
    care_of: AddressLine | None = Field(
        default=None, description="Care of", examples=["c/o Andersson"]
    )
    zip_code: AddressLine | None = Field(
        default=None, description="The postal code", examples=["85230"]
    )
    city: AddressLine | None = Field(
        default=None, description="The post town", examples=["Sundsvall"]
    )
    country: AddressLine | None = Field(
        default=None, description="The country", examples=["Sverige"]
    )
