"""Delivery receipts in deliver_sm: optional parameters first, else text (SMPP 3.4 appendix B)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smpp34 import DeliverSm

from utskick.channels.sms.settings import SmppAccount
from utskick.channels.sms.smpp.message_ids import canonical
from utskick.channels.sms.smpp.pdu import MESSAGE_PAYLOAD, MESSAGE_STATE, RECEIPTED_MESSAGE_ID
from utskick.domain.outcome import Reason
from utskick.domain.receipt import Receipt, Report

#: Section 5.2.12: mask of the message type in ``esm_class``, and the two receipt types.
_TYPE, _REPORTING = 0x3C, (0x04, 0x20)
#: Section 5.2.28, with appendix B's words.
_STATES: Final = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}

_DELIVERED: Final = (Report.DELIVERED, None)
_UNDELIVERED: Final = Reason("not-delivered", "the operator did not deliver the message")
REPORTS: Final[dict[str, tuple[Report, Reason | None]]] = {
    "ENROUTE": (Report.SENT, None),
    "ACCEPTD": (Report.SENT, None),
    "DELIVRD": _DELIVERED,
    "DELIVERED": _DELIVERED,
    "EXPIRED": (
        Report.FAILED,
        Reason("expired", "the message expired before the phone could be reached"),
    ),
    "DELETED": (Report.FAILED, Reason("deleted", "the message was deleted at the operator")),
    "UNDELIV": (Report.FAILED, _UNDELIVERED),
    "REJECTD": (Report.FAILED, Reason("refused-content", "the operator rejected the message")),
}
_UNKNOWN: Final = (
    Report.UNKNOWN,
    Reason("unknown-code", "the provider reported an undocumented message state"),
)

_ID: Final = re.compile(r"\bid:\s*(\S{1,64})", re.IGNORECASE)
_STAT: Final = re.compile(r"\bstat:\s*([A-Za-z]{1,12})", re.IGNORECASE)
_ERR: Final = re.compile(r"\berr:\s*([0-9A-Za-z]{1,8})\b", re.IGNORECASE)
#: The quoted message text comes last and is not part of the status.
_TEXT: Final = re.compile(r"\btext:.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """Status of the message or part that the provider identifies by ``reference``."""

    reference: str
    report: Report
    reason: Reason | None

    def receipt(self) -> Receipt:
        """Build the receipt. The time is dropped, as it has no time zone (appendix B)."""
        return Receipt("smpp", self.report, None, self.reference, None, self.reason)


def is_receipt(message: DeliverSm) -> bool:
    """Return whether ``esm_class`` or a receipted_message_id marks a receipt.

    Some message centres do not set ``esm_class``.
    """
    return message.esm_class & _TYPE in _REPORTING or any(
        tlv.tag == RECEIPTED_MESSAGE_ID for tlv in message.tlvs
    )


def delivery_status(message: DeliverSm, account: SmppAccount) -> DeliveryStatus | None:
    """Parse a receipt, or return None if it does not identify a message.

    A receipted_message_id is written as in submit_sm_resp (section 5.3.2.12); the id in the text
    may be written in another way (appendix B).
    """
    tlvs = {tlv.tag: tlv.value for tlv in message.tlvs}
    text = _TEXT.sub(
        "", (message.short_message or tlvs.get(MESSAGE_PAYLOAD, b"")).decode("latin-1")
    )
    if (receipted := _string(tlvs.get(RECEIPTED_MESSAGE_ID))) is not None:
        reference = canonical(receipted, account.submit_id_format)
    elif (found := _search(_ID, text)) is not None:
        reference = canonical(found, account.receipt_id_format)
    else:
        return None
    state = _state(tlvs.get(MESSAGE_STATE)) or (_search(_STAT, text) or "").upper()
    report, reason = REPORTS.get(state, _UNKNOWN)
    if reason is not None:
        error = _search(_ERR, text)
        reason = Reason(
            reason.code, reason.sentence, f"{state} {error}".strip() if error else state or None
        )
    return DeliveryStatus(reference, report, reason)


def _string(value: bytes | None) -> str | None:
    return (value or b"").split(b"\0", 1)[0].decode("ascii", "replace").strip() or None


def _state(value: bytes | None) -> str | None:
    return _STATES.get(value[0]) if value else None


def _search(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None
