"""Content for Kivra (its API, content v2); byte-identical at every attempt."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from utskick.channels.digital_invoice.check_digits import digits_of
from utskick.domain.attachment import Attachment

_PAYABLE_TYPES: Final = {"INVOICE": "invoice", "REMINDER": "invoice.reminder"}
#: Type of content without a payment: the other types require ``payment_multiple_options`` (Kivra's
#: specification, schema ``Content_user_v2``).
_UNPAYABLE_TYPE: Final = "letter"
_METHODS: Final = {"BANKGIRO": "1", "PLUSGIRO": "2"}
#: The edition of content that is prepared now.
EDITION: Final = 2


@dataclass(frozen=True, slots=True, repr=False)
class Receiver:
    """Receiver, date and edition of the content, fixed at the first attempt.

    ``member``, ``value``: ``ssn`` with 12 digits, or ``vat_number`` with ``SE``, organisation
    number and ``01``. ``on``: the date, ISO 8601. ``edition``: 1 is that of release 0.2.0, which
    sent content without a payment as an invoice; a repeat must not differ from its first attempt.
    """

    member: str
    value: str
    on: str
    edition: int = 1

    def encode(self) -> bytes:
        return orjson.dumps([self.member, self.value, self.on, self.edition])

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
        "type": _type(receiver, content),
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


def _type(receiver: Receiver, content: Mapping[str, Any]) -> str:
    is_invoice = content["payable"] or receiver.edition < EDITION
    return _PAYABLE_TYPES[content["type"]] if is_invoice else _UNPAYABLE_TYPE


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
