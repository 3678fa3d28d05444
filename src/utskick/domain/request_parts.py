"""Parts of request bodies that several channels share."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from utskick.domain.recipient import is_email
from utskick.domain.validators import (
    CLEAN,
    LONGEST_NAME,
    NO_NUL,
    NOT_BLANK,
    UTF8,
    Body,
    Constraint,
    FreeLine,
    FreeText,
    Line,
    Text,
    is_base64,
)

#: Characters of one line of an address; more does not fit a window.
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


Line255 = Annotated[str, line_up_to(255)]
SupportText = Annotated[
    str,
    Constraint(
        (NOT_BLANK, NO_NUL, CLEAN, UTF8, XML, size_up_to(1024)),
        "must not be blank",
        (("minLength", 1), ("maxLength", 1024)),
    ),
]
SupportEmail = Annotated[
    str,
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
    FreeLine, Constraint((at_most(LONGEST_LINE),), schema=(("maxLength", LONGEST_LINE),))
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

    key: Text
    value: Text


class SupportInfo(Body, title="DigitalMailSenderSupportInfo"):
    """Contact details for the recipient's questions."""

    text: SupportText
    email_address: SupportEmail | None = None
    phone_number: Line255 | None = None
    url: SupportUrl | None = None


class DigitalSender(Body, title="DigitalMailSender"):
    """What the recipient of a digital mail sees of its sender."""

    support_info: SupportInfo


class AddressBody(Body, title="Address"):
    """A postal address (contract section 4), with the organisation that its orchestrator drops."""

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
