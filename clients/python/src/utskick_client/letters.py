"""Requests for letters: digital mail, digital invoices, letters by either channel, and paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from utskick_client.parts import (
    Address,
    DigitalSender,
    ExternalReference,
    Parties,
    Party,
    Priority,
    Sending,
)
from utskick_client.wire import Body, Wire, base64_of

ContentType = Literal["text/plain", "text/html"]


def _with_encoded_html(members: dict[str, Any]) -> dict[str, Any]:
    """Encode an HTML body in base64 (contract section 4.6)."""
    if members.get("contentType") == "text/html" and "body" in members:
        members["body"] = base64_of(members["body"])
    return members


@dataclass(frozen=True)
class Pdf(Body):
    """PDF of a digital mail or an invoice."""

    name: Annotated[str, Wire("filename")]
    content: bytes
    content_type: str = "application/pdf"


@dataclass(frozen=True, kw_only=True)
class OfficialMatter(Body):
    """Case of a digital mail, as defined by Mina Meddelanden."""

    id: str | None = None
    event_id: str | None = None
    preceding_event_id: str | None = None
    subject: str | None = None
    event_type: str | None = None
    status: Literal["senderinitiative", "recipientinitiative", "closed"] | None = None


@dataclass(frozen=True)
class DigitalMail(Sending):
    """Digital mail to one or several parties; ``body`` is text or HTML, which is encoded here."""

    party: Parties
    subject: str | None = None
    body: str | None = None
    content_type: ContentType | None = None
    attachments: Sequence[Pdf] | None = None
    sender: DigitalSender | None = None
    department: str | None = None
    header_reference: str | None = None
    official_matter: OfficialMatter | None = None
    reply: Literal["REQUESTED", "ACCEPTED", "NOT_ALLOWED"] | None = None
    receipt_request: Literal["NOT", "SIMPLE", "SIGNED"] | None = None

    def members(self) -> dict[str, Any]:
        return _with_encoded_html(Sending.members(self))


@dataclass(frozen=True)
class InvoiceParty(Body):
    """Party that is to pay an invoice."""

    party_id: str
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True, kw_only=True)
class InvoiceDetails(Body):
    """Amount, due date and account of an invoice."""

    amount: Decimal | float
    due_date: date
    payment_reference_type: Literal["SE_OCR", "TENANT_REF"]
    payment_reference: str
    account_type: Literal["BANKGIRO", "PLUSGIRO"]
    account_number: str


@dataclass(frozen=True)
class DigitalInvoice(Sending):
    """Invoice or reminder to one party.

    ``reference``: invoice reference; ``message_reference``: your own reference of the message.
    """

    party: InvoiceParty
    type: Literal["INVOICE", "REMINDER"]
    details: InvoiceDetails
    files: Sequence[Pdf]
    subject: str | None = None
    payable: bool | None = None
    message_reference: str | None = None


@dataclass(frozen=True)
class LetterParty(Body):
    """Recipients of a letter: parties (digitally if possible), and postal addresses (on paper)."""

    party_ids: Sequence[str] | None = None
    addresses: Sequence[Address] | None = None
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True)
class LetterAttachment(Body):
    """PDF of a letter, and the channels it may be sent by."""

    name: Annotated[str, Wire("filename")]
    content: bytes
    delivery_mode: Literal["ANY", "DIGITAL_MAIL", "SNAIL_MAIL"] = "ANY"
    content_type: str = "application/pdf"


@dataclass(frozen=True)
class Letter(Body):
    """Letter to any number of recipients.

    Sent to the digital mailbox, and on paper if it is known not to have arrived there.
    """

    party: LetterParty
    department: str
    attachments: Sequence[LetterAttachment]
    subject: str | None = None
    body: str | None = None
    content_type: ContentType | None = None
    sender: DigitalSender | None = None
    deviation: str | None = None
    priority: Priority | None = None
    reference: str | None = None
    send_at: datetime | None = None

    def members(self) -> dict[str, Any]:
        return _with_encoded_html(Body.members(self))


@dataclass(frozen=True)
class SnailMailAttachment(Body):
    """PDF of a paper letter; ``envelope_type`` is WINDOWED if the PDF contains the address."""

    name: Annotated[str, Wire("filename")]
    content: bytes
    content_type: str | None = "application/pdf"
    envelope_type: Literal["WINDOWED", "PLAIN"] | None = None


@dataclass(frozen=True)
class SnailMail(Sending):
    """Paper letter: PDFs, a text that is typeset, or both."""

    department: str
    address: Address | None = None
    party: Party | None = None
    attachments: Sequence[SnailMailAttachment] | None = None
    subject: str | None = None
    text: str | None = None
    cover_page: bool | None = None
    deviation: str | None = None
    folder_name: str | None = None
