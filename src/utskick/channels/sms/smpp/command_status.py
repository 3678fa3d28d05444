"""SMPP ``command_status`` codes (SMPP 3.4 section 5.1.3) mapped to outcomes."""

from __future__ import annotations

from typing import Final

from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Reason,
    Rejected,
)

OK: Final = 0x00
#: Responses to deliver_sm: try again later, and message type not supported.
TEMPORARY_ERROR, UNSUPPORTED = 0x64, 0x66
UNKNOWN_COMMAND: Final = 0x03
_ALREADY_BOUND: Final = 0x05

_THROTTLED: Final = Reason("throttled", "the provider's rate limit was exceeded")
_FAULT: Final = Reason("provider-fault", "internal error at the provider")
_REFUSED_NOW: Final = Reason(
    "not-taken", "the message centre could not take the message for this number at the moment"
)
_LOGIN: Final = Reason("refused-login", "the provider rejected the credentials")
_SENDER: Final = Reason("refused-sender", "the provider rejected the sender name")
_NUMBER: Final = Reason("unknown-recipient", "the provider does not accept the number as valid")
_CONTENT: Final = Reason("refused-content", "the provider rejected the message")
_BINDS: Final = Reason("too-many-binds", "the provider allows no further bind of the account")
_UNKNOWN: Final = Reason("unknown-code", "the provider refused the message with a code of its own")
_FORM: Final = Reason(
    "refused-form",
    "the provider does not accept messages in the form set in the account's settings",
)

NAMES: Final = {
    0x01: "ESME_RINVMSGLEN",
    0x02: "ESME_RINVCMDLEN",
    0x03: "ESME_RINVCMDID",
    0x04: "ESME_RINVBNDSTS",
    0x05: "ESME_RALYBND",
    0x06: "ESME_RINVPRTFLG",
    0x07: "ESME_RINVREGDLVFLG",
    0x08: "ESME_RSYSERR",
    0x0A: "ESME_RINVSRCADR",
    0x0B: "ESME_RINVDSTADR",
    0x0C: "ESME_RINVMSGID",
    0x0D: "ESME_RBINDFAIL",
    0x0E: "ESME_RINVPASWD",
    0x0F: "ESME_RINVSYSID",
    0x14: "ESME_RMSGQFUL",
    0x15: "ESME_RINVSERTYP",
    0x40: "ESME_RINVDESTFLAG",
    0x42: "ESME_RINVSUBREP",
    0x43: "ESME_RINVESMCLASS",
    0x45: "ESME_RSUBMITFAIL",
    0x48: "ESME_RINVSRCTON",
    0x49: "ESME_RINVSRCNPI",
    0x50: "ESME_RINVDSTTON",
    0x51: "ESME_RINVDSTNPI",
    0x53: "ESME_RINVSYSTYP",
    0x54: "ESME_RINVREPFLAG",
    0x58: "ESME_RTHROTTLED",
    0x61: "ESME_RINVSCHED",
    0x62: "ESME_RINVEXPIRY",
    0x63: "ESME_RINVDFTMSGID",
    0x64: "ESME_RX_T_APPN",
    0x65: "ESME_RX_P_APPN",
    0x66: "ESME_RX_R_APPN",
    0xC0: "ESME_RINVOPTPARSTREAM",
    0xC1: "ESME_ROPTPARNOTALLWD",
    0xC2: "ESME_RINVPARLEN",
    0xC3: "ESME_RMISSINGOPTPARAM",
    0xC4: "ESME_RINVOPTPARAMVAL",
    0xFE: "ESME_RDELIVERYFAILURE",
    0xFF: "ESME_RUNKNOWNERR",
}

DEFERRED: Final = {
    0x14: _THROTTLED,
    0x58: _THROTTLED,
    **dict.fromkeys((0x04, 0x05, 0x08), _FAULT),
    **dict.fromkeys((0x45, 0x64), _REFUSED_NOW),
}
REJECTED: Final = {0x0B: _NUMBER, **dict.fromkeys((0x01, 0x65, 0x66), _CONTENT)}
MISCONFIGURED: Final = {
    **dict.fromkeys((0x0D, 0x0E, 0x0F, 0x53), _LOGIN),
    **dict.fromkeys((0x0A, 0x48, 0x49), _SENDER),
    **dict.fromkeys(
        (
            *(0x02, 0x03, 0x06, 0x07, 0x15, 0x40, 0x42, 0x43, 0x50, 0x51, 0x54, 0x61, 0x62, 0x63),
            *(0xC0, 0xC1, 0xC2, 0xC3, 0xC4),
        ),
        _FORM,
    ),
}


def of_message(status: int) -> Deferred | Rejected | Misconfigured:
    """Map the error status of a submit_sm response to an outcome.

    Any status but ESME_ROK means that the message was not accepted (section 5.1.3). One that is in
    no table, most often a vendor's own (0x400 to 0x4FF), is retried: it may be temporary, and it
    concerns the recipient alone, so that nobody else waits for it.
    """
    if status in DEFERRED:
        reason = DEFERRED[status]
        concerns = Concern.RECIPIENT if reason is _REFUSED_NOW else Concern.ACCOUNT
        return Deferred(_with_code(reason, status), concerns=concerns)
    if status in REJECTED:
        return Rejected(_with_code(REJECTED[status], status))
    if status in MISCONFIGURED:
        reason = MISCONFIGURED[status]
        concerns = Concern.OURSELVES if reason is _SENDER else Concern.ACCOUNT
        return Misconfigured(_with_code(reason, status), concerns)
    return Deferred(_with_code(_UNKNOWN, status), concerns=Concern.RECIPIENT)


def of_bind(status: int) -> Deferred | Misconfigured:
    """Map the error status of a bind response to the outcome of the messages waiting for it.

    None of them has been sent, so it is never ``Rejected``; it always concerns the account.
    """
    if status == _ALREADY_BOUND:
        return Deferred(_with_code(_BINDS, status))
    if status in DEFERRED:
        return Deferred(_with_code(DEFERRED[status], status))
    reason = MISCONFIGURED.get(status) or REJECTED.get(status) or _LOGIN
    return Misconfigured(_with_code(reason, status))


def name_of(status: int) -> str:
    return NAMES.get(status, f"0x{status:08X}")


def _with_code(reason: Reason, status: int) -> Reason:
    return Reason(reason.code, reason.sentence, name_of(status))
