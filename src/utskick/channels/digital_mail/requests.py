"""Request bodies: digital mail to one or more parties (contract 4.6), mailbox query (4.7)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, RootModel, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from utskick.domain.attachment import Attachment
from utskick.domain.recipient import Recipient
from utskick.domain.request_parts import (
    EXAMPLE_PDF,
    PRIORITY,
    REFERENCE,
    SEND_AT,
    VALID_UNTIL,
    Department,
    DigitalSender,
    ExternalReference,
    FileContent,
    FileName,
    Id255,
    Line255,
    crowd,
    line_up_to,
    one_of,
)
from utskick.domain.validators import (
    OR_NULL,
    Body,
    Composed,
    FreeText,
    Moment,
    Reference,
    Uuid,
    broken,
    decode_base64,
    is_base64,
)

#: Maximum number of recipients in a request.
MOST_PARTIES: Final = 100_000
Line2000 = Annotated[str, Composed, line_up_to(2000)]
Crowd = crowd(MOST_PARTIES)


class DigitalMailParty(Body, title="DigitalMailParty"):
    """The recipients, each of whom gets a message of their own."""

    party_ids: Annotated[list[Uuid], Crowd] = Field(
        description="Party ids of persons and organisations"
    )
    external_references: list[ExternalReference] | None = Field(
        default=None, description="Key-value pairs of the calling system, stored with the message"
    )


class FileAttachment(Body, title="DigitalMailAttachment"):
    """A PDF in base64."""

    content_type: Annotated[str, one_of("application/pdf")] = Field(
        description="The media type", examples=["application/pdf"]
    )
    content: FileContent = Field(description="Content of the file in Base64", examples=["SGVqIQ=="])
    filename: FileName = Field(description="The name of the file", examples=["beslut.pdf"])

    def decoded(self) -> Attachment:
        return Attachment.of(self.filename, self.content_type, decode_base64(self.content))


class OfficialMatter(Body):
    """The case ("kundärende") that the message belongs to, by which mailboxes group messages.

    ``id``: the case number. ``eventId``: of this message within the case. ``precedingEventId``: of
    an earlier message.
    """

    id: Id255 | None = Field(default=None, description="Number of the case", examples=["2026-123"])
    event_id: Id255 | None = Field(
        default=None, description="Number of this message within the case", examples=["2"]
    )
    preceding_event_id: Id255 | None = Field(
        default=None, description="Number of an earlier message of the case", examples=["1"]
    )
    subject: Line2000 | None = Field(
        default=None, description="The subject", examples=["Skolan i dag"]
    )
    event_type: Line2000 | None = Field(
        default=None, description="Type of event in the case", examples=["Beslut"]
    )
    status: Literal["senderinitiative", "recipientinitiative", "closed"] | None = Field(
        default=None,
        description="State of the case: who started it, or that it is closed",
        examples=["senderinitiative"],
    )


class DigitalMailRequest(Body):
    """One message to one or more parties.

    Members beyond the contract: ``headerReference`` (the delivery's Reference, which operators and
    recipients may see), ``officialMatter``, ``reply`` and ``receiptRequest`` of Mina Meddelanden,
    and those of every sending form.
    """

    example: ClassVar[Any] = {
        "party": {"partyIds": ["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"]},
        "subject": "Beslut",
        "contentType": "text/plain",
        "body": "Din ansökan är beviljad.",
        "attachments": [
            {"contentType": "application/pdf", "content": EXAMPLE_PDF, "filename": "beslut.pdf"}
        ],
    }

    party: DigitalMailParty = Field(description="The recipient")
    sender: DigitalSender | None = Field(default=None, description="Sender; default: as configured")
    subject: Line255 | None = Field(
        None, json_schema_extra=OR_NULL, description="The subject", examples=["Skolan i dag"]
    )
    department: Department | None = Field(
        None,
        json_schema_extra=OR_NULL,
        description="Department and unit that is billed and counted in statistics",
        examples=["SBK(Gatuavdelningen, Trafiksektionen)"],
    )
    content_type: Annotated[str, one_of("text/plain", "text/html")] | None = Field(
        default=None, description="Media type of `body`", examples=["text/plain"]
    )
    body: FreeText | None = Field(
        default=None,
        description="The text; in Base64 where `contentType` is `text/html`",
        examples=["Hej!"],
    )
    attachments: list[FileAttachment] | None = Field(default=None, description="Files")
    header_reference: Id255 | None = Field(
        default=None,
        description="Reference that is visible to mailbox operators and the recipient",
        examples=["Dnr 2026-123"],
    )
    official_matter: OfficialMatter | None = Field(
        default=None, description="Case that the message belongs to, as defined by Mina Meddelanden"
    )
    reply: Literal["REQUESTED", "ACCEPTED", "NOT_ALLOWED"] | None = Field(
        default=None,
        description="Whether the recipient may or should reply",
        examples=["NOT_ALLOWED"],
    )
    receipt_request: Literal["NOT", "SIMPLE", "SIGNED"] | None = Field(
        default=None, description="Requested receipt", examples=["NOT"]
    )
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY
    reference: Reference | None = REFERENCE
    send_at: Moment | None = SEND_AT
    valid_until: Moment | None = VALID_UNTIL

    @model_validator(mode="wrap")
    @classmethod
    def _body_has_a_type(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Check ``contentType`` against the body, and report it along with other faults."""
        faults: list[InitErrorDetails] = []
        request: Self | None = None
        try:
            request = handler(data)
        except ValidationError as fault:
            faults = [_again(error) for error in fault.errors(include_url=False)]
        members = data if isinstance(data, dict) else {}
        kind, body = members.get("contentType"), members.get("body")
        text = body if isinstance(body, str) and body.strip() else None
        if text and kind is None:
            faults.append(
                _fault(("contentType",), "contentType must be set when body is provided", kind)
            )
        if text and kind == "text/html" and not is_base64(text):
            faults.append(_fault(("body",), "not a valid BASE64-encoded string", text))
        if request is None or faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return request

    def recipients(self) -> list[Recipient]:
        return [Recipient("", party_id) for party_id in self.party.party_ids]

    def content(self) -> dict[str, Any]:
        """Return the members stored as content, without parties, attachments and empty text."""
        stored = {
            "sender",
            "subject",
            "department",
            "content_type",
            "body",
            "header_reference",
            "official_matter",
            "reply",
            "receipt_request",
            "priority",
        }
        members = self.model_dump(by_alias=True, exclude_none=True, include=stored)
        if self.party.external_references is not None:
            members["party"] = {
                "externalReferences": [pair.model_dump() for pair in self.party.external_references]
            }
        return members


class MailboxesRequest(RootModel[list[Uuid]]):
    """A JSON array of distinct party ids.

    Faults are reported as those of a parameter, under ``getMailboxes.partyIds``.
    """

    example: ClassVar[Any] = ["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"]

    @model_validator(mode="wrap")
    @classmethod
    def _as_a_parameter(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        faults: list[InitErrorDetails] = []
        request: Self | None = None
        try:
            request = handler(data)
        except ValidationError as fault:
            faults = [_of_parameter(error) for error in fault.errors(include_url=False)]
        if request is not None and not request.root:
            faults.append(_fault(("getMailboxes.partyIds",), "must not be empty", []))
        if request is not None and len({p.lower() for p in request.root}) < len(request.root):
            faults.append(
                _fault(("getMailboxes.partyIds",), "must only contain unique elements", [])
            )
        if request is None or faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return request


def _fault(loc: tuple[str | int, ...], message: str, value: Any) -> InitErrorDetails:
    return InitErrorDetails(type=broken(message), loc=loc, input=value)


def _again(error: Any) -> InitErrorDetails:
    """Convert a reported error to one that can be raised again with others."""
    kind = error["type"]
    if kind == "violation":
        kind = broken(*error["ctx"]["messages"])
    return InitErrorDetails(
        type=kind, loc=error["loc"], input=error["input"], ctx=error.get("ctx", {})
    )


def _of_parameter(error: Any) -> InitErrorDetails:
    if error["loc"]:
        return _fault(
            ("getMailboxes.partyIds", *error["loc"], "<list element>"),
            "not a valid UUID",
            error["input"],
        )
    return _again(error)
