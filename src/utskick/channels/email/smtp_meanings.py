"""What a refusal of a mail server means and whom it concerns (RFC 5321 section 4.2.2, RFC 3463).

Servers answer faults of the sending side at RCPT, too, because most of them postpone all refusals
to that command (Postfix: ``smtpd_delay_reject``). Only the words of the reply then tell them from
a refusal of the recipient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from utskick.domain.outcome import Concern, Reason


class Step(StrEnum):
    """Step of the transaction that a reply belongs to."""

    OPEN = "open"
    HELO = "helo"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Reason of a refusal, and whom it concerns.

    ``ours``: the account, its login or the sender is at fault, not the message or its recipient;
    ``always_ours``: even if the server calls it temporary.
    """

    reason: Reason
    concerns: Concern = Concern.ACCOUNT
    ours: bool = False
    always_ours: bool = False


_ALONE: Final = Concern.RECIPIENT

GARBAGE: Final = Meaning(Reason("garbage", "the mail server's reply cannot be parsed"))
CLOSING: Final = Meaning(
    Reason("closing", "the mail server is shutting down or closed the connection")
)
LOGIN: Final = Meaning(
    Reason("refused-login", "the mail server rejected the credentials"), ours=True, always_ours=True
)
CONTENT: Final = Meaning(Reason("refused-content", "the mail server rejected the message"), _ALONE)
_FAULT: Final = Meaning(Reason("provider-fault", "temporary error at the mail server"))
_RATE: Final = Meaning(
    Reason("throttled", "the mail server temporarily refuses more messages"), ours=True
)
_CONNECTION: Final = Meaning(
    Reason("refused-connection", "the mail server refused the connection"), ours=True
)
_COMMAND: Final = Meaning(
    Reason("refused-command", "the mail server does not know a command or parameter"), ours=True
)
_HELO: Final = Meaning(
    Reason("refused-helo", "the mail server rejected the host name given in EHLO"), ours=True
)
_RELAY: Final = Meaning(
    Reason(
        "refused-relay", "the mail server does not relay messages of this account to other domains"
    ),
    ours=True,
    always_ours=True,
)
#: Concerns ourselves: another sender may be accepted, so that the account need not wait.
_SENDER: Final = Meaning(
    Reason("refused-sender", "the mail server rejected the sender address"),
    Concern.OURSELVES,
    ours=True,
)
_POLICY: Final = Meaning(
    Reason("refused-access", "the mail server's policy does not allow this account to send it"),
    ours=True,
)
#: A rule for one recipient, such as a list that accepts only its members.
_RECIPIENT_POLICY: Final = Meaning(
    Reason("refused-access", "the mail server does not allow access to this recipient"),
    _ALONE,
    ours=True,
)
_TOO_LARGE: Final = Meaning(
    Reason("too-large", "the message exceeds the mail server's size limit"), _ALONE
)
_FULL: Final = Meaning(Reason("mailbox-full", "the recipient's mailbox is full"), _ALONE)
_DISABLED: Final = Meaning(
    Reason("mailbox-disabled", "the recipient's mailbox does not accept messages"), _ALONE
)
_BUSY: Final = Meaning(
    Reason("mailbox-unavailable", "the recipient's mailbox is temporarily unavailable"), _ALONE
)
_GREYLISTED: Final = Meaning(
    Reason("greylisted", "the mail server accepts the first message to a recipient only later"),
    _ALONE,
)
_UNKNOWN: Final = Meaning(
    Reason("unknown-recipient", "the mail server does not know the recipient"), _ALONE
)
_REFUSED: Final = Meaning(
    Reason("refused-recipient", "the mail server rejected the recipient"), _ALONE
)
_UNROUTABLE: Final = Meaning(
    Reason("unroutable", "the mail server cannot reach the recipient's mail server"),
    Concern.DESTINATION,
)

#: Details of RFC 3463 section 3.2 and 3.3 that speak of the recipient, whatever words follow.
_OF_RECIPIENT: Final = frozenset(
    {"1.1", "1.2", "1.3", "1.4", "1.6", "1.10", "2.1", "2.2", "2.3", "2.4"}
)
#: Details of RFC 3463 and of the IANA registry of enhanced codes, whatever the step.
_BY_DETAIL: Final = {
    "1.7": _SENDER,
    "1.8": _SENDER,
    "2.1": _DISABLED,
    "2.2": _FULL,
    "2.3": _TOO_LARGE,
    "3.4": _TOO_LARGE,
    "5.3": _RATE,
    "7.8": LOGIN,
    "7.28": _RATE,
}
#: By the subject alone: the permanent meaning, and the temporary one.
_BY_SUBJECT: Final = {
    "1": (_UNKNOWN, _BUSY),
    "2": (_REFUSED, _BUSY),
    "3": (None, _FAULT),
    "4": (_UNROUTABLE, _UNROUTABLE),
}
#: Refusals of authentication and authorisation of the sending side, when the content is refused:
#: RFC 4954, 7372 (DKIM, SPF, reverse DNS), 7505; from 7.57 on those of Exchange.
_OURS_AT_CONTENT: Final = frozenset(
    f"7.{n}" for n in (9, 10, 11, 12, 13, 14, *range(20, 28), 57, 60, 64)
)

#: Parts of a reply that quote addresses and hosts.
_QUOTED: Final = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\S+@\S+")
_RELAY_WORDS: Final = (
    r"relay(ing)?( access| is)? (denied|not|prohibited|refused)|(to|not|no) relay\b"
)
_LOGIN_WORDS: Final = (
    r"not authenticated|authenticat\w+ (is )?(required|first)|must authenticate|\blog(ged)? ?in\b"
)
#: Words of a refused content name the sender and lists for many reasons: there, only the phrases
#: of Postfix and Exchange count.
_OURS_IN_CONTENT: Final = (
    (_RELAY, _RELAY_WORDS),
    (LOGIN, _LOGIN_WORDS),
    (_HELO, r"helo command rejected"),
    (_SENDER, r"sender address rejected|send ?as"),
    (_CONNECTION, r"client host"),
)
_OURS_BEFORE: Final = (
    (_RELAY, _RELAY_WORDS),
    (LOGIN, _LOGIN_WORDS),
    (_HELO, r"\b(helo|ehlo)\b"),
    (_SENDER, r"\bsender\b|send ?as"),
    (_CONNECTION, r"client host|\b(black|block|deny) ?list|dnsbl|your (ip|host)\b"),
)
_IN_CONTENT: Final = tuple((m, re.compile(words, re.I)) for m, words in _OURS_IN_CONTENT)
_BEFORE: Final = tuple((m, re.compile(words, re.I)) for m, words in _OURS_BEFORE)
_GREY: Final = re.compile(r"gr[ea]y-?\s?list", re.I)
_MUCH: Final = re.compile(r"too (many|much|fast)|\brate\b|throttl", re.I)
_FULL_WORDS: Final = re.compile(r"(mail|in) ?box.*\bfull\b|\bquota\b", re.I)
_UNKNOWN_WORDS: Final = re.compile(
    r"(no such|unknown|invalid) (local )?(user|mailbox|recipient|account)"
    r"|(user|mailbox|recipient|account) (is )?(unknown|not found|does not exist)",
    re.I,
)
_NAMES_RECIPIENT: Final = re.compile(r"\brecipient\b", re.I)


def by_words(step: Step, detail: str, text: str, *, temporary: bool) -> Meaning | None:
    """Return what the words say that the codes do not; None if they add nothing."""
    if step in (Step.OPEN, Step.HELO) or detail in _OF_RECIPIENT:
        return None
    words = _QUOTED.sub(" ", text)
    if temporary and _GREY.search(words):
        return _GREYLISTED
    patterns = _IN_CONTENT if step in (Step.DATA, Step.CONTENT) else _BEFORE
    ours = next((meaning for meaning, pattern in patterns if pattern.search(words)), None)
    if ours is not None or step is Step.SENDER:
        return ours
    if detail in ("", "2.0") or detail.startswith("7."):
        return _of_recipient(step, detail, words, temporary=temporary)
    return None


def _of_recipient(step: Step, detail: str, words: str, *, temporary: bool) -> Meaning | None:
    """Return what the words say of the recipient where the code is none, or that of a policy."""
    if _FULL_WORDS.search(words):
        return _FULL
    if step is not Step.RECIPIENT:
        return None
    if temporary:
        return _RATE if _MUCH.search(words) else None
    if _UNKNOWN_WORDS.search(words):
        return _UNKNOWN
    policy = detail.startswith("7.") and _NAMES_RECIPIENT.search(words)
    return _RECIPIENT_POLICY if policy else None


def by_enhanced_code(step: Step, detail: str, *, temporary: bool) -> Meaning | None:
    """Return the meaning of the enhanced code's subject and detail; None if it has none here."""
    if step in (Step.OPEN, Step.HELO):
        return _RATE if temporary and detail.startswith("7.") else None
    subject = detail.partition(".")[0]
    if step is Step.SENDER and subject in ("1", "7"):
        return _RATE if temporary and subject == "7" else _SENDER
    if detail in _BY_DETAIL:
        return _BY_DETAIL[detail]
    if subject in _BY_SUBJECT:
        return _BY_SUBJECT[subject][temporary]
    return _policy(step, detail, temporary=temporary) if subject == "7" else None


def _policy(step: Step, detail: str, *, temporary: bool) -> Meaning:
    """Return the meaning of a policy status (RFC 3463 section 3.8).

    A temporary one at RCPT is Postfix's status of every rule that names a recipient.
    """
    if temporary:
        return _BUSY if step is Step.RECIPIENT else _RATE
    return _POLICY if step is Step.RECIPIENT or detail in _OURS_AT_CONTENT else CONTENT


_HELO_CODES: Final = {500: _COMMAND, 502: _COMMAND}
_SENDER_CODES: Final = {
    **dict.fromkeys((500, 502, 503, 504, 555), _COMMAND),
    552: _TOO_LARGE,
}
_RECIPIENT_CODES: Final = {
    **dict.fromkeys((550, 551, 553, 556), _UNKNOWN),
    452: _FULL,
    552: _FULL,
}


def by_basic_code(step: Step, code: int) -> Meaning | None:
    """Return the meaning of the basic code at this step; None: the message was refused."""
    temporary = code // 100 == 4
    match step:
        case Step.HELO:
            return _HELO_CODES.get(code, _FAULT if temporary else _HELO)
        case Step.OPEN:
            return _FAULT if temporary else _CONNECTION
        case Step.SENDER:
            return _SENDER_CODES.get(code, _FAULT if temporary else _SENDER)
        case Step.RECIPIENT:
            return _RECIPIENT_CODES.get(code, _BUSY if temporary else _REFUSED)
    if code == 552:
        return _TOO_LARGE
    return _FAULT if temporary else None
