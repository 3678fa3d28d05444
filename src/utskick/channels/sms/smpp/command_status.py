"""SMPP ``command_status`` codes (SMPP 3.4 section 5.1.3) mapped to outcomes."""

from __future__ import annotations

from typing import Final

from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)

OK: Final = 0x00
#: Responses to deliver_sm: try again later, and message type not supported.
TEMPORARY_ERROR, UNSUPPORTED = 0x64, 0x66
UNKNOWN_COMMAND: Final = 0x03

_THROTTLED: Final = Reason("throttled", "the provider's rate limit was exceeded")
_FAULT: Final = Reason("provider-fault", "internal error at the provider")
_REFUSED_NOW: Final = Reason(
    "not-taken", "the message centre could not take the message for this number at the moment"
)
_LOGIN: Final = Reason("refused-login", "the provider rejected the credentials")
_SENDER: Final = Reason("refused-sender", "the provider rejected the sender name")
_NUMBER: Final = Reason("unknown-recipient", "the provider does not accept the number as valid")
_CONTENT: Final = Reason("refused-content", "the provider rejected the message")
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
    0x08: "ESME_RSYSERR",
    0x0A: "ESME_RINVSRCADR",
    0x0B: "ESME_RINVDSTADR",
    0x0D: "ESME_RBINDFAIL",
    0x0E: "ESME_RINVPASWD",
    0x0F: "ESME_RINVSYSID",
    0x14: "ESME_RMSGQFUL",
    0x15: "ESME_RINVSERTYP",
    0x43: "ESME_RINVESMCLASS",
    0x45: "ESME_RSUBMITFAIL",
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
    **dict.fromkeys((0x04, 0x05, 0x08), _FAULT),
    **dict.fromkeys((0x45, 0x64), _REFUSED_NOW),
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
    """Map the error status of a submit_sm response to an outcome."""
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
    return Uncertain(
        Reason(
            "unknown-code",
            "the provider returned an undocumented status code",
            name_of(status),
        ),
        Concern.RECIPIENT,
    )


def of_bind(status: int) -> Outcome:
    """Map the error status of a bind response to the outcome of the messages waiting for it.

    None of them has been sent, so it is never ``Uncertain`` or ``Rejected``; it always concerns the
    account.
    """
    outcome = of_message(status)
    if isinstance(outcome, Uncertain):
        return Misconfigured(_with_code(_LOGIN, status))
    if isinstance(outcome, Deferred):
        return Deferred(outcome.reason, outcome.retry_after)
    return outcome if isinstance(outcome, Sent) else Misconfigured(outcome.reason)


def name_of(status: int) -> str:
    return NAMES.get(status, f"0x{status:08X}")


def _with_code(reason: Reason, status: int) -> Reason:
    return Reason(reason.code, reason.sentence, name_of(status))
