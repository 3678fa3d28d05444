"""What one attempt at a provider came to. The fourth word is the one most systems lack: we may not
know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: a stable code, a sentence for people, and what the provider itself said.

    ``code`` is lower case with hyphens (``throttled``, ``unknown-recipient``); ``sentence`` never
    holds personal data, because it reaches logs; ``provider_code`` is the provider's own code, word
    for word.
    """

    code: str
    sentence: str
    provider_code: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took responsibility. ``reference`` is its id for the message; ``delivered`` when
    it says so at once."""

    reference: str | None = None
    delivered: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """Known not to have been sent, and worth trying again: not before ``retry_after``, where the
    provider named a time."""

    reason: Reason
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Known not to have been sent, and never will be. ``polite``: a well-formed no inside a
    successful answer."""

    reason: Reason
    polite: bool = False


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The request left and no answer that can be trusted came: it may or may not have been sent."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Known not to have been sent, through a fault of ours (login, account, sender): another
    account may do, and somebody must act."""

    reason: Reason


Outcome = Sent | Deferred | Rejected | Uncertain | Misconfigured
