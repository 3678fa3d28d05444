"""Bodies of what is read as a letter: digital mail, digital invoices, letters that find their way,
and paper."""

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


def _said(members: dict[str, Any]) -> dict[str, Any]:
    """HTML goes as base64 (contract section 4.6)."""
    if members.get("contentType") == "text/html" and "body" in members:
        members["body"] = base64_of(members["body"])
    return members


@dataclass(frozen=True)
class Pdf(Body):
    """A PDF of a digital mail or an invoice."""

    name: Annotated[str, Wire("filename")]
    content: bytes
    content_type: str = "application/pdf"


@dataclass(frozen=True, kw_only=True)
class OfficialMatter(Body):
    """The case that a digital mail belongs to, as Mina Meddelanden knows it."""

    id: str | None = None
    event_id: str | None = None
    preceding_event_id: str | None = None
    subject: str | None = None
    event_type: str | None = None
    status: Literal["senderinitiative", "recipientinitiative", "closed"] | None = None


@dataclass(frozen=True)
class DigitalMail(Sending):
    """A digital mail to one or more parties. ``body``: text, or HTML as it is; it is put into
    base64 here."""

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
        return _said(Sending.members(self))


@dataclass(frozen=True)
class InvoiceParty(Body):
    """Who is to pay."""

    party_id: str
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True, kw_only=True)
class InvoiceDetails(Body):
    """What is to be paid, when, and to which account."""

    amount: Decimal | float
    due_date: date
    payment_reference_type: Literal["SE_OCR", "TENANT_REF"]
    payment_reference: str
    account_type: Literal["BANKGIRO", "PLUSGIRO"]
    account_number: str


@dataclass(frozen=True)
class DigitalInvoice(Sending):
    """An invoice or a reminder to one party. ``reference``: of the invoice; ``message_reference``:
    the caller's own for the sending."""

    party: InvoiceParty
    type: Literal["INVOICE", "REMINDER"]
    details: InvoiceDetails
    files: Sequence[Pdf]
    subject: str | None = None
    payable: bool | None = None
    message_reference: str | None = None


@dataclass(frozen=True)
class LetterParty(Body):
    """To whom: people (digitally where they can be reached so), and plain addresses (on paper)."""

    party_ids: Sequence[str] | None = None
    addresses: Sequence[Address] | None = None
    external_references: Sequence[ExternalReference] | None = None


@dataclass(frozen=True)
class LetterAttachment(Body):
    """A PDF, and by which way it may go."""

    name: Annotated[str, Wire("filename")]
    content: bytes
    delivery_mode: Literal["ANY", "DIGITAL_MAIL", "SNAIL_MAIL"] = "ANY"
    content_type: str = "application/pdf"


@dataclass(frozen=True)
class Letter(Body):
    """A letter to any number of people: to the digital mailbox, and on paper when that is known not
    to have arrived."""

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
        return _said(Body.members(self))


@dataclass(frozen=True)
class SnailMailAttachment(Body):
    """A PDF. ``envelope_type``: WINDOWED where it carries the address itself."""

    name: Annotated[str, Wire("filename")]
    content: bytes
    content_type: str | None = "application/pdf"
    envelope_type: Literal["WINDOWED", "PLAIN"] | None = None


@dataclass(frozen=True)
class SnailMail(Sending):
    """One letter on paper: PDFs, or a text that is set as a letter, or both."""

    department: str
    address: Address | None = None
    party: Party | None = None
    attachments: Sequence[SnailMailAttachment] | None = None
    subject: str | None = None
    text: str | None = None
    cover_page: bool | None = None
    deviation: str | None = None
    folder_name: str | None = None
