"""Request body of a digital invoice (contract section 4.8), validated beyond the contract."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from utskick.channels.digital_invoice.check_digits import LONGEST_REFERENCE
from utskick.domain.attachment import Attachment
from utskick.domain.request_parts import (
    EXAMPLE_PDF,
    PRIORITY,
    SEND_AT,
    VALID_UNTIL,
    ExternalReference,
    one_of,
)
from utskick.domain.validators import (
    CLEAN,
    NOT_BLANK,
    OR_NULL,
    UTF8,
    Base64,
    Body,
    Composed,
    Constraint,
    Day,
    FreeLine,
    Line,
    Moment,
    Reference,
    Uuid,
    decode_base64,
)

#: Maximum amount in kronor; a higher one is assumed to be a mistake.
HIGHEST: Final = Decimal("999999999.99")

Amount = Annotated[
    Decimal,
    Constraint(
        (
            ("must be greater than 0", lambda amount: amount > 0),
            ("must be at most 999999999.99", lambda amount: amount <= HIGHEST),
            ("must not have more than two decimals", lambda amount: amount == round(amount, 2)),
        ),
        schema=(("exclusiveMinimum", 0), ("maximum", float(HIGHEST))),
    ),
]
PaymentReference = Annotated[
    str,
    Constraint(
        (
            NOT_BLANK,
            CLEAN,
            UTF8,
            (
                f"size must be between 1 and {LONGEST_REFERENCE}",
                lambda reference: len(reference) <= LONGEST_REFERENCE,
            ),
        ),
        "must not be blank",
        (("minLength", 1), ("maxLength", LONGEST_REFERENCE)),
    ),
]


class InvoiceParty(Body, title="DigitalInvoiceParty"):
    """The payer: a person or an organisation."""

    party_id: Uuid = Field(
        description="Party id of a person or an organisation",
        examples=["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"],
    )
    external_references: list[ExternalReference] | None = Field(
        default=None, description="Key-value pairs of the calling system, stored with the message"
    )


class Details(Body):
    """Payment details: amount, due date and account."""

    amount: Amount = Field(description="Amount in SEK with at most two decimals", examples=[123.45])
    due_date: Day = Field(description="The last day to pay", examples=["2035-10-09"])
    payment_reference_type: Literal["SE_OCR", "TENANT_REF"] = Field(
        description="Type of the reference", examples=["SE_OCR"]
    )
    payment_reference: PaymentReference = Field(
        description="OCR number, or a tenant's reference", examples=["12345674"]
    )
    account_type: Literal["BANKGIRO", "PLUSGIRO"] = Field(
        description="Type of the account", examples=["BANKGIRO"]
    )
    account_number: Line = Field(
        description="Account to pay to, with or without hyphen", examples=["5050-1055"]
    )


class InvoiceFile(Body, title="DigitalInvoiceFile"):
    """A PDF in base64."""

    content_type: Annotated[str, one_of("application/pdf")] = Field(
        description="The media type", examples=["application/pdf"]
    )
    content: Base64 = Field(description="Content of the file in Base64", examples=["SGVqIQ=="])
    filename: Annotated[
        str,
        Composed,
        Constraint((NOT_BLANK, CLEAN, UTF8), "must not be blank", (("minLength", 1),)),
    ] = Field(description="The name of the file", examples=["beslut.pdf"])

    def decoded(self) -> Attachment:
        return Attachment.of(self.filename, self.content_type, decode_base64(self.content))


Files = Constraint(
    (
        ("must not be empty", bool),
        ("size must be between 1 and 10", lambda files: len(files) <= 10),
    ),
    "must not be empty",
    (("minItems", 1), ("maxItems", 10)),
)


class DigitalInvoiceRequest(Body):
    """One invoice or reminder to one party."""

    example: ClassVar[Any] = {
        "party": {"partyId": "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"},
        "type": "INVOICE",
        "subject": "Faktura för barnomsorg",
        "reference": "Faktura 12345",
        "details": {
            "amount": 123.45,
            "dueDate": "2035-10-09",
            "paymentReferenceType": "SE_OCR",
            "paymentReference": "12345674",
            "accountType": "BANKGIRO",
            "accountNumber": "5050-1055",
        },
        "files": [
            {"contentType": "application/pdf", "content": EXAMPLE_PDF, "filename": "faktura.pdf"}
        ],
    }

    party: InvoiceParty = Field(description="The recipient")
    type: Literal["INVOICE", "REMINDER"] = Field(
        description="Invoice or reminder", examples=["INVOICE"]
    )
    subject: FreeLine | None = Field(
        None, json_schema_extra=OR_NULL, description="The subject", examples=["Skolan i dag"]
    )
    reference: FreeLine | None = Field(
        default=None, description="Reference of the invoice", examples=["Faktura 12345"]
    )
    payable: bool | None = Field(
        None,
        json_schema_extra={"default": True},
        description="Whether there is an amount to pay",
        examples=[True],
    )
    details: Details = Field(description="Amount, due date and account")
    files: Annotated[list[InvoiceFile], Files] = Field(description="The invoice as PDF")
    message_reference: Reference | None = Field(
        default=None,
        description="Reference of the calling system for the message (`reference` is that of "
        "the invoice)",
        examples=["rad-17"],
    )
    send_at: Moment | None = SEND_AT
    valid_until: Moment | None = VALID_UNTIL
    priority: Literal["HIGH", "NORMAL"] | None = PRIORITY

    @property
    def is_payable(self) -> bool:
        """Whether the invoice can be paid; default true (contract Q25)."""
        return self.payable is not False
