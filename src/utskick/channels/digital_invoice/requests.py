"""Request body of a digital invoice (contract section 4.8), validated beyond the contract."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import Field

from utskick.channels.digital_invoice.check_digits import LONGEST_REFERENCE
from utskick.domain.attachment import Attachment
from utskick.domain.request_parts import ExternalReference, one_of
from utskick.domain.validators import (
    CLEAN,
    NOT_BLANK,
    OR_NULL,
    UTF8,
    Base64,
    Body,
    Constraint,
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

    party_id: Uuid
    external_references: list[ExternalReference] | None = None


class Details(Body):
    """Payment details: amount, due date and account."""

    amount: Amount
    due_date: date
    payment_reference_type: Literal["SE_OCR", "TENANT_REF"]
    payment_reference: PaymentReference
    account_type: Literal["BANKGIRO", "PLUSGIRO"]
    account_number: Line


class InvoiceFile(Body, title="DigitalInvoiceFile"):
    """A PDF in base64."""

    content_type: Annotated[str, one_of("application/pdf")]
    content: Base64
    filename: Annotated[
        str, Constraint((NOT_BLANK, CLEAN, UTF8), "must not be blank", (("minLength", 1),))
    ]

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

    party: InvoiceParty
    type: Literal["INVOICE", "REMINDER"]
    subject: FreeLine | None = Field(None, json_schema_extra=OR_NULL)
    reference: FreeLine | None = None
    payable: bool | None = Field(None, json_schema_extra={"default": True})
    details: Details
    files: Annotated[list[InvoiceFile], Files]
    message_reference: Reference | None = None
    send_at: Moment | None = None
    valid_until: Moment | None = None
    priority: Literal["HIGH", "NORMAL"] | None = None

    @property
    def is_payable(self) -> bool:
        """Whether the invoice can be paid; default true (contract Q25)."""
        return self.payable is not False
