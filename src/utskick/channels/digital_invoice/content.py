"""Content for Kivra (its API, content v2); byte-identical at every attempt."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from utskick.channels.digital_invoice.check_digits import digits_of
from utskick.domain.attachment import Attachment

_TYPES: Final = {"INVOICE": "invoice", "REMINDER": "invoice.reminder"}
_METHODS: Final = {"BANKGIRO": "1", "PLUSGIRO": "2"}


@dataclass(frozen=True, slots=True, repr=False)
class Receiver:
    """Receiver and date, fixed at the first attempt.

    ``member``, ``value``: ``ssn`` with 12 digits, or ``vat_number`` with ``SE``, organisation
    number and ``01``. ``on``: the date, ISO 8601.
    """

    member: str
    value: str
    on: str

    def encode(self) -> bytes:
        return orjson.dumps([self.member, self.value, self.on])

    @classmethod
    def decode(cls, frozen: bytes) -> Receiver:
        return cls(*orjson.loads(frozen))


def encode_content(
    receiver: Receiver, content: Mapping[str, Any], files: Sequence[Attachment]
) -> bytes:
    """Encode as JSON with a fixed order of members."""
    members: dict[str, Any] = {
        receiver.member: receiver.value,
        "subject": content["_subject"],
        "generated_at": receiver.on,
        "type": _TYPES[content["type"]],
        "retain": False,
        "parts": [
            {
                "name": file.name,
                "data": b64encode(file.data).decode(),
                "content_type": file.content_type or "application/pdf",
            }
            for file in files
        ],
    }
    if content["payable"]:
        members["payment_multiple_options"] = _payment(content)
    return orjson.dumps(members)


def _payment(content: Mapping[str, Any]) -> dict[str, Any]:
    """Build the payment of a payable invoice; otherwise the member must be absent, not false."""
    details = content["details"]
    option = {
        "due_date": details["dueDate"],
        "amount": content["_amount"],
        "type": details["paymentReferenceType"],
        "reference": details["paymentReference"],
    }
    if content.get("reference"):
        option["title"] = content["reference"]
    return {
        "payable": True,
        "currency": "SEK",
        "method": _METHODS[details["accountType"]],
        "account": digits_of(details["accountNumber"]),
        "options": [option],
    }
