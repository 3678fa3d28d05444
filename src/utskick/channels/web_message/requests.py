"""Request body of a web message (contract section 4.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from mimetypes import MimeTypes
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails

from utskick.channels.web_message.soap_request import is_xml_text
from utskick.domain.attachment import Attachment
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
    Moment,
    Reference,
    Text,
    Uuid,
    broken,
    decode_base64,
)

MOST_ATTACHMENTS: Final = 10
_LONGEST_NAME: Final = 255
_CASE: Final = re.compile(r"[0-9]{1,10}\Z")
#: xs:int.
_HIGHEST: Final = 2_147_483_647
#: The built-in table only, so that names do not depend on the machine.
_TYPES: Final = MimeTypes()

_XML_TEXT: Final = ("must not contain characters that are not allowed in XML", is_xml_text)
_ONE_CASE: Final = (
    "must identify one case by a reference with key flowInstanceId and a number from 1 to"
    f" {_HIGHEST} as its value"
)
_COUNT: Final = (
    f"Attachments must contain 1-{MOST_ATTACHMENTS} items when provided, or be null/omitted"
)
_BOTH: Final = "Only one of partyId and userId can be set if sendAsOwner is true"
_NEITHER: Final = "Both partyId and userId cannot be null if sendAsOwner is true"


def case_of(references: Iterable[ExternalReference]) -> int | None:
    """Return the case number; None unless the references identify exactly one valid case."""
    values = {
        reference.value for reference in references if reference.key.lower() == "flowinstanceid"
    }
    numbers = {int(value) if _CASE.match(value) else 0 for value in values}
    if len(numbers) != 1:
        return None
    [number] = numbers
    return number if 1 <= number <= _HIGHEST else None


class WebMessageParty(Body):
    """The party that the message concerns, and the case."""

    party_id: Uuid | None = Field(
        default=None,
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    external_references: Annotated[
        list[ExternalReference],
        Constraint(((_ONE_CASE, lambda found: case_of(found) is not None),), _ONE_CASE),
    ] = Field(description="Key-value pairs of the calling system, stored with the message")

    @property
    def case(self) -> int:
        case = case_of(self.external_references)
        assert case is not None  # validated with the member
        return case


class WebMessageSender(Body):
    """The author: a user of Open-E."""

    user_id: Annotated[FreeLine, Constraint((_XML_TEXT,))] | None = Field(
        default=None, description="A user of Open-E", examples=["joe01doe"]
    )


class WebMessageAttachment(Body):
    """A file in base64."""

    file_name: (
        Annotated[
            FreeLine,
            Constraint(
                (
                    _XML_TEXT,
                    (
                        f"must not be longer than {_LONGEST_NAME} characters",
                        lambda v: len(v) <= _LONGEST_NAME,
                    ),
                ),
                schema=(("maxLength", _LONGEST_NAME),),
            ),
        ]
        | None
    ) = Field(default=None, description="The name of the file", examples=["beslut.pdf"])
    mime_type: FreeLine | None = Field(
        default=None, description="The media type", examples=["application/pdf"]
    )
    base64_data: Base64 = Field(description="Content of the file in Base64", examples=["SGVqIQ=="])

    def decoded(self, number: int) -> Attachment:
        """Decode; the file gets a default name, which Open-E requires but the contract does not."""
        return Attachment.of(
            self.file_name or self._name(number),
            self.mime_type or None,
            decode_base64(self.base64_data),
        )

    def _name(self, number: int) -> str:
        return f"bilaga-{number}{_TYPES.guess_extension(self.mime_type or '') or ''}"


Attachments = Annotated[
    list[WebMessageAttachment],
    Constraint(
        ((_COUNT, lambda value: 1 <= len(value) <= MOST_ATTACHMENTS),),
        schema=(("minItems", 1), ("maxItems", MOST_ATTACHMENTS)),
    ),
]
Instance = Annotated[
    str,
    Constraint(
        (("instance must be 'INTERNAL' or 'EXTERNAL'", lambda v: v in ("INTERNAL", "EXTERNAL")),),
        schema=(("enum", ("INTERNAL", "EXTERNAL")),),
    ),
]


class WebMessageRequest(Body):
    """A message in a case of Open-E."""

    example: ClassVar[Any] = {
        "party": {"externalReferences": [{"key": "flowInstanceId", "value": "12345"}]},
        "message": "Vi behöver en ritning till.",
        "sender": {"userId": "joe01doe"},
    }

    party: WebMessageParty = Field(description="The recipient")
    message: Annotated[Text, Constraint((_XML_TEXT,), "must not be blank")] = Field(
        description="Text", examples=["Skolan är stängd i dag."]
    )
    sender: WebMessageSender | None = Field(
        default=None, description="Sender; default: as configured"
    )
    send_as_owner: bool | None = Field(
        None,
        json_schema_extra={"default": False},
        description="Send as the owner of the case; needs `party.partyId` or `sender.userId`",
        examples=[False],
    )
    oep_instance: Instance | None = Field(
        default=None,
        description="Instance of Open-E: for citizens (`EXTERNAL`, default) or for staff",
        examples=["EXTERNAL"],
    )
    attachments: Attachments | None = Field(default=None, description="Files")
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY
    department: Department | None = DEPARTMENT
    reference: Reference | None = REFERENCE
    send_at: Moment | None = SEND_AT
    valid_until: Moment | None = VALID_UNTIL

    @property
    def user(self) -> str | None:
        return self.sender.user_id if self.sender else None

    def content(self) -> dict[str, Any]:
        """Return the members stored as content, without party id and attachments."""
        members = {
            "party",
            "message",
            "sender",
            "send_as_owner",
            "oep_instance",
            "priority",
            "department",
        }
        content = self.model_dump(by_alias=True, exclude_none=True, include=members)
        content["party"].pop("partyId", None)
        return content

    @model_validator(mode="wrap")
    @classmethod
    def _has_one_owner(cls, given: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """Report the rule of the whole body (``webMessageRequest``) along with the members'."""
        try:
            request = read(given)
        except ValidationError as fault:
            details = [
                *map(_detail, fault.errors(include_url=False)),
                *_owner_faults(*_raw_owner(given)),
            ]
            raise ValidationError.from_exception_data(cls.__name__, details) from None
        party_id = request.party.party_id
        if details := _owner_faults(request.send_as_owner, party_id, request.user):
            raise ValidationError.from_exception_data(cls.__name__, details)
        return request


def _owner_faults(as_owner: object, party_id: object, user_id: object) -> list[InitErrorDetails]:
    if as_owner is not True or (party_id is None) != (user_id is None):
        return []
    fault = broken(_NEITHER if party_id is None else _BOTH, "Invalid web message request")
    return [InitErrorDetails(type=fault, loc=("webMessageRequest",), input=True)]


def _raw_owner(given: Any) -> Sequence[object]:
    """Return sendAsOwner, partyId and userId of an unvalidated body, None where malformed."""
    members = given if isinstance(given, Mapping) else {}
    party, sender = (
        value if isinstance(value, Mapping) else {}
        for value in (members.get("party"), members.get("sender"))
    )
    return members.get("sendAsOwner"), party.get("partyId"), sender.get("userId")


def _detail(error: ErrorDetails) -> InitErrorDetails:
    """Convert a reported error to one that can be raised again."""
    context = error.get("ctx", {})
    kind = broken(*context["messages"]) if error["type"] == "violation" else error["type"]
    return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"], ctx=context)
