"""What a ``command_status`` means (SMPP 3.4 section 5.1.3): of a message that was handed over, and
of a bind."""

from __future__ import annotations

from typing import Final

from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Reason, Rejected, Uncertain

OK: Final = 0x00
#: What we answer to a deliver_sm: come again, and: we take no such message.
COME_AGAIN, NOT_TAKEN = 0x64, 0x66
UNKNOWN_COMMAND: Final = 0x03

_THROTTLED: Final = Reason("throttled", "the provider asked us to slow down")
_FAULT: Final = Reason("provider-fault", "the provider had a fault of its own")
_LOGIN: Final = Reason("refused-login", "the provider refused our login")
_SENDER: Final = Reason("refused-sender", "the provider refused the sender of the message")
_NUMBER: Final = Reason("unknown-recipient", "the number is not a number to the provider")
_CONTENT: Final = Reason("refused-content", "the provider refused the message")
_FORM: Final = Reason(
    "refused-form",
    "the provider does not take messages in the form that the account's settings give them",
)

NAMES: Final = {
    0x01: "ESME_RINVMSGLEN",
    0x02: "ESME_RINVCMDLEN",
    0x03: "ESME_RINVCMDID",
    0x04: "ESME_RINVBNDSTS",
    0x05: "ESME_RALYBND",
    0x08: "ESME_RSYSERR",
    0x0A: "ESME_RINVSRCADR",
    0x0B: "ESME_RINVDSTADR",
    0x0D: "ESME_RBINDFAIL",
    0x0E: "ESME_RINVPASWD",
    0x0F: "ESME_RINVSYSID",
    0x14: "ESME_RMSGQFUL",
    0x15: "ESME_RINVSERTYP",
    0x43: "ESME_RINVESMCLASS",
    0x48: "ESME_RINVSRCTON",
    0x49: "ESME_RINVSRCNPI",
    0x50: "ESME_RINVDSTTON",
    0x51: "ESME_RINVDSTNPI",
    0x53: "ESME_RINVSYSTYP",
    0x58: "ESME_RTHROTTLED",
    0x61: "ESME_RINVSCHED",
    0x64: "ESME_RX_T_APPN",
    0x65: "ESME_RX_P_APPN",
    0x66: "ESME_RX_R_APPN",
    0xC0: "ESME_RINVOPTPARSTREAM",
    0xC1: "ESME_ROPTPARNOTALLWD",
    0xC2: "ESME_RINVPARLEN",
    0xC3: "ESME_RMISSINGOPTPARAM",
    0xC4: "ESME_RINVOPTPARAMVAL",
}

DEFERRED: Final = {
    0x14: _THROTTLED,
    0x58: _THROTTLED,
    **dict.fromkeys((0x04, 0x05, 0x08, 0x64), _FAULT),
}
REJECTED: Final = {0x0B: _NUMBER, **dict.fromkeys((0x01, 0x65, 0x66), _CONTENT)}
MISCONFIGURED: Final = {
    **dict.fromkeys((0x0D, 0x0E, 0x0F, 0x53), _LOGIN),
    **dict.fromkeys((0x0A, 0x48, 0x49), _SENDER),
    **dict.fromkeys(
        (0x02, 0x03, 0x15, 0x43, 0x50, 0x51, 0x61, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4), _FORM
    ),
}


def of_message(status: int) -> Outcome:
    """What a message came to whose submit_sm was answered with this, which is not OK."""
    if status in DEFERRED:
        return Deferred(_said(DEFERRED[status], status))
    if status in REJECTED:
        return Rejected(_said(REJECTED[status], status))
    if status in MISCONFIGURED:
        return Misconfigured(_said(MISCONFIGURED[status], status))
    return Uncertain(
        Reason(
            "unknown-code",
            "the provider answered with a code that its table does not have",
            name_of(status),
        )
    )


def of_bind(status: int) -> Outcome:
    """What a refused bind means for the messages that wait for it: none of them has left."""
    outcome = of_message(status)
    if isinstance(outcome, Uncertain):
        return Misconfigured(_said(_LOGIN, status))
    return Misconfigured(outcome.reason) if isinstance(outcome, Rejected) else outcome


def name_of(status: int) -> str:
    return NAMES.get(status, f"0x{status:08X}")


def _said(reason: Reason, status: int) -> Reason:
    return Reason(reason.code, reason.sentence, name_of(status))
