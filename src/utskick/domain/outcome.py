"""Outcomes of an attempt at a provider.

``Uncertain`` is the one that most systems lack: nobody knows whether the message was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Concern(StrEnum):
    """Whose fault an attempt met, so that nobody else waits for it.

    ``RECIPIENT``: this mailbox, number or person alone. ``DESTINATION``: all recipients behind one
    service beyond the account (a mail domain, a mailbox operator, a push service). ``ACCOUNT``: the
    provider account: its connection, login, quota. ``OURSELVES``: this service.
    """

    RECIPIENT = "recipient"
    DESTINATION = "destination"
    ACCOUNT = "account"
    OURSELVES = "ourselves"


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code, a sentence for people, and the provider's own code.

    ``code`` is lower case with hyphens (``throttled``, ``unknown-recipient``). ``sentence`` never
    holds personal data, because it is logged. ``provider_code`` is the provider's own code, word
    for word.
    """

    code: str
    sentence: str
    provider_code: str | None = None


#: What a provider's own words and its call id begin with, at the end of a sentence.
SAYS: Final = "; it says: "
CALL: Final = "; its call id: "


def general(reason: Reason) -> Reason:
    """Return the reason without the provider's words and call id, which are about one message."""
    sentence = reason.sentence.partition(SAYS)[0].partition(CALL)[0]
    return reason if sentence == reason.sentence else replace(reason, sentence=sentence)


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider accepted responsibility.

    ``reference``: its id for the message. ``delivered``: it reports so at once. ``parts``: its ids
    of all parts in order, where it reports on each of several by itself.
    """

    reference: str | None = None
    delivered: bool = False
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deferred:
    """Known not to have been sent, and worth another attempt.

    Not before ``retry_after``, where the provider named a time.
    """

    reason: Reason
    retry_after: timedelta | None = None
    concerns: Concern = Concern.ACCOUNT


@dataclass(frozen=True, slots=True)
class Rejected:
    """Known not to have been sent, and never will be.

    ``polite``: a well-formed refusal inside a successful answer.
    """

    reason: Reason
    polite: bool = False


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The request left and no answer that can be trusted came: it may or may not have been sent."""

    reason: Reason
    concerns: Concern = Concern.ACCOUNT


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Known not to have been sent, because of login, account or sender.

    Another account may do, and somebody must act.
    """

    reason: Reason
    concerns: Concern = Concern.ACCOUNT


Outcome = Sent | Deferred | Rejected | Uncertain | Misconfigured


def of_destination(outcome: Outcome) -> Outcome:
    """Return the outcome of a call to a service beyond the account: what failed concerns that."""
    match outcome:
        case Deferred(concerns=Concern.ACCOUNT):
            return replace(outcome, concerns=Concern.DESTINATION)
        case Uncertain(concerns=Concern.ACCOUNT):
            return replace(outcome, concerns=Concern.DESTINATION)
        case Misconfigured(concerns=Concern.ACCOUNT):
            return replace(outcome, concerns=Concern.DESTINATION)
    return outcome
