"""A delivery receipt in a deliver_sm: by its optional parameters where it has them, else by its
text (SMPP 3.4 appendix B)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from smpp34 import DeliverSm

from utskick.channels.sms.smpp.pdu import MESSAGE_PAYLOAD, MESSAGE_STATE, RECEIPTED_MESSAGE_ID
from utskick.domain.channel import Receipt, Report
from utskick.domain.outcome import Reason

#: Section 5.2.12: the type of message in ``esm_class``, and the two that report on a message of
#: ours.
_TYPE, _REPORTING = 0x3C, (0x04, 0x20)
#: Section 5.2.28, and appendix B's words for it.
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
    "REJECTD": (Report.FAILED, Reason("refused-content", "the operator refused the message")),
}
_UNKNOWN: Final = (
    Report.UNKNOWN,
    Reason("unknown-code", "the provider reported a state that its table does not have"),
)

_ID: Final = re.compile(r"\bid:\s*(\S{1,64})", re.IGNORECASE)
_STAT: Final = re.compile(r"\bstat:\s*([A-Za-z]{1,12})", re.IGNORECASE)
_ERR: Final = re.compile(r"\berr:\s*([0-9A-Za-z]{1,8})\b", re.IGNORECASE)
#: What people wrote stands last, and says nothing about the delivery.
_TEXT: Final = re.compile(r"\btext:.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """What a receipt says of the message that the provider calls ``reference``."""

    reference: str
    report: Report
    reason: Reason | None

    def receipt(self, reference: str) -> Receipt:
        """On the message of which it may be a part. Its time has no zone (appendix B), and is left
        out."""
        return Receipt("smpp", self.report, None, reference, None, self.reason)


def is_receipt(message: DeliverSm) -> bool:
    """Some centres forget to say so in ``esm_class``; a receipted_message_id says it as well."""
    return message.esm_class & _TYPE in _REPORTING or any(
        tlv.tag == RECEIPTED_MESSAGE_ID for tlv in message.tlvs
    )


def word_of(message: DeliverSm) -> Word | None:
    """None where nobody can tell which message it speaks of."""
    tlvs = {tlv.tag: tlv.value for tlv in message.tlvs}
    text = _TEXT.sub(
        "", (message.short_message or tlvs.get(MESSAGE_PAYLOAD, b"")).decode("latin-1")
    )
    reference = _string(tlvs.get(RECEIPTED_MESSAGE_ID)) or _found(_ID, text)
    if reference is None:
        return None
    state = _state(tlvs.get(MESSAGE_STATE)) or (_found(_STAT, text) or "").upper()
    report, reason = REPORTS.get(state, _UNKNOWN)
    if reason is not None:
        error = _found(_ERR, text)
        reason = Reason(
            reason.code, reason.sentence, f"{state} {error}".strip() if error else state or None
        )
    return Word(reference, report, reason)


def _string(value: bytes | None) -> str | None:
    return (value or b"").split(b"\0", 1)[0].decode("ascii", "replace").strip() or None


def _state(value: bytes | None) -> str | None:
    return _STATES.get(value[0]) if value else None


def _found(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None
