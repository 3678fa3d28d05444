"""Parser of Kivra invoices for the viewer; malformed content never raises."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any, Final

import orjson

from utskick.sandbox.mail_parser import AttachedFile

_GIROS: Final = {"1": "Bankgiro", "2": "Plusgiro"}


@dataclass(frozen=True, slots=True)
class Payment:
    """Payment option.

    ``giro``: Bankgiro, Plusgiro or empty; ``amount``: SEK with a decimal point; ``is_ocr``: whether
    the reference is an OCR number.
    """

    amount: str
    due: str
    giro: str
    account: str
    reference: str
    is_ocr: bool
    title: str


@dataclass(frozen=True, slots=True)
class Invoice:
    """Invoice; ``payments`` may be empty, ``readable`` is False for malformed content."""

    subject: str = ""
    generated_at: str = ""
    reminder: bool = False
    payments: tuple[Payment, ...] = ()
    files: tuple[AttachedFile, ...] = ()
    readable: bool = True


def parse_invoice(raw: bytes) -> Invoice:
    """Parse the posted content (Kivra's API, content v2); never raises."""
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        return Invoice(readable=False)
    return Invoice(
        _text(content, "subject"),
        _text(content, "generated_at"),
        content.get("type") == "invoice.reminder",
        _payments(_members(content.get("payment_multiple_options"))),
        tuple(
            _file(number, _members(part))
            for number, part in enumerate(_list(content.get("parts")), start=1)
        ),
    )


def _payments(payment: dict[str, Any]) -> tuple[Payment, ...]:
    giro, account = _GIROS.get(_text(payment, "method"), ""), _text(payment, "account")
    options = [_members(option) for option in _list(payment.get("options"))]
    return tuple(
        Payment(
            _text(option, "amount"),
            _text(option, "due_date"),
            giro,
            account,
            _text(option, "reference"),
            option.get("type") == "SE_OCR",
            _text(option, "title"),
        )
        for option in options
    )


def _file(number: int, part: dict[str, Any]) -> AttachedFile:
    try:
        data = b64decode(_text(part, "data"))
    except (Base64Error, ValueError):
        data = b""
    return AttachedFile(_text(part, "name") or f"fil-{number}", _text(part, "content_type"), data)


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    return str(value) if isinstance(value, str | int | float) else ""


def _members(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
