"""Planning of invoice requests, with validation of check digits, dates and size."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from utskick.channels.digital_invoice.check_digits import (
    digits_of,
    has_length_digit,
    is_bank_day,
    is_bankgiro,
    is_ocr,
    is_plusgiro,
)
from utskick.channels.digital_invoice.content import EDITION, Receiver, encode_content
from utskick.channels.digital_invoice.requests import DigitalInvoiceRequest
from utskick.channels.digital_invoice.settings import DigitalInvoiceSettings
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Plan, Priority
from utskick.domain.errors import Invalid, Violation
from utskick.domain.recipient import Recipient

#: Minimum amount of a payment (Kivra's specification, schema ``PaymentMultipleOptions``).
LEAST_AMOUNT: Final = 1


def plan(request: DigitalInvoiceRequest, settings: DigitalInvoiceSettings, today: date) -> Plan:
    """Plan the request. Raises ``Invalid`` with every violated rule."""
    files = tuple(file.decoded() for file in request.files)
    content = _content(request, files, settings)
    violations = [
        *_file_faults(files),
        *(_payment_faults(request, settings, today) if request.is_payable else ()),
    ]
    sample = Receiver("vat_number", "SE212000241101", today.isoformat(), EDITION)
    size = len(encode_content(sample, content, files))
    if size > settings.content_limit:
        violations.append(
            Violation(
                "files",
                f"the encoded invoice would be {size} bytes; the limit is {settings.content_limit}",
            )
        )
    if violations:
        raise Invalid(violations)
    return Plan(
        content=content,
        recipients=[Recipient("", request.party.party_id, request.message_reference)],
        entries=[0],
        attachments=files,
        priority=Priority.HIGH if request.priority == "HIGH" else Priority.NORMAL,
        send_at=request.send_at,
        valid_until=request.valid_until,
    )


def _content(
    request: DigitalInvoiceRequest, files: tuple[Attachment, ...], settings: DigitalInvoiceSettings
) -> dict[str, Any]:
    """Build the stored content; ``_amount`` and ``_subject`` are sent, but not shown."""
    details = request.details.model_dump(mode="json", by_alias=True)
    content: dict[str, Any] = {
        "type": request.type,
        "payable": request.is_payable,
        "details": {**details, "amount": float(request.details.amount)},
        "files": [
            {"contentType": f.content_type, "filename": f.name, "digest": f.digest.hex()}
            for f in files
        ],
        "_amount": f"{request.details.amount:.2f}",
        "_subject": request.subject or settings.subject,
    }
    for name in ("subject", "reference"):
        if (value := getattr(request, name)) is not None:
            content[name] = value
    if request.party.external_references is not None:
        content["party"] = {
            "externalReferences": [r.model_dump() for r in request.party.external_references]
        }
    return content


def _file_faults(files: tuple[Attachment, ...]) -> list[Violation]:
    return [
        Violation(f"files[{i}].content", "must be a PDF")
        for i, file in enumerate(files)
        if not file.data.startswith(b"%PDF-")
    ]


def _payment_faults(
    request: DigitalInvoiceRequest, settings: DigitalInvoiceSettings, today: date
) -> list[Violation]:
    details, faults = request.details, []
    if details.amount < LEAST_AMOUNT:
        faults.append(
            Violation("details.amount", "must be at least 1: Kivra takes no lower payment")
        )
    if details.due_date < today:
        faults.append(
            Violation("details.dueDate", "must be a date in the present or in the future")
        )
    elif not is_bank_day(details.due_date):
        faults.append(
            Violation("details.dueDate", "must be a bank day: not a weekend or a holiday")
        )
    is_valid, length = (
        (is_bankgiro, "7-8") if details.account_type == "BANKGIRO" else (is_plusgiro, "2-8")
    )
    if not is_valid(details.account_number):
        faults.append(
            Violation(
                "details.accountNumber",
                f"must be a {details.account_type} number: {length} digits with a valid check"
                " digit",
            )
        )
    if details.payment_reference_type == "SE_OCR":
        faults += _ocr_faults(details.payment_reference, details.account_number, settings)
    return faults


def _ocr_faults(ocr: str, account: str, settings: DigitalInvoiceSettings) -> list[Violation]:
    if not is_ocr(ocr):
        return [
            Violation(
                "details.paymentReference",
                "must be an OCR number: 2-25 digits with a valid check digit",
            )
        ]
    if digits_of(account) in map(digits_of, settings.length_digit) and not has_length_digit(ocr):
        return [
            Violation(
                "details.paymentReference",
                "must have its length modulo 10 as the last digit but one",
            )
        ]
    return []
