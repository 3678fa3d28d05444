"""SMTP replies mapped to outcomes by transaction step (RFC 5321 section 4.2, RFC 3463)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|\Z)")
_LOGIN = frozenset({530, 534, 535, 538})


class Step(StrEnum):
    """Step of the transaction that a reply belongs to."""

    OPEN = "open"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the server.

    ``text`` may contain the recipient's address; it is used only for ``reference``.
    """

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        match = _ENHANCED.match(self.text)
        return match[1] if match else ""

    @property
    def provider_code(self) -> str:
        return f"{self.code} {self.enhanced}".strip()

    @property
    def reference(self) -> str | None:
        """The server's own identification of an accepted message, at most 200 characters."""
        text = " ".join(_ENHANCED.sub("", self.text, count=1).split())
        return "".join(ch if ch.isprintable() else "?" for ch in text)[:200] or None


def outcome_of(step: Step, reply: Reply) -> Outcome:
    """Map the reply that ends a transaction; only one to ``Step.CONTENT`` can be ``Sent``."""
    kind = reply.code // 100
    if step is Step.CONTENT and kind == 2:
        return Sent(reply.reference)
    if reply.code in _LOGIN:
        return Misconfigured(
            _reason(reply, "refused-login", "the mail server rejected the credentials")
        )
    if reply.code == 421:
        return Deferred(_reason(reply, "closing", "the mail server is shutting down"))
    if kind == 4:
        return _temporary(reply)
    if kind == 5:
        return _permanent(step, reply)
    if step is Step.CONTENT:
        return Uncertain(
            _reason(reply, "garbage", "the mail server's reply to the message cannot be parsed")
        )
    return Deferred(_reason(reply, "garbage", "the mail server's reply cannot be parsed"))


def _temporary(reply: Reply) -> Outcome:
    if reply.enhanced.startswith("4.7."):
        return Deferred(
            _reason(reply, "throttled", "the mail server temporarily refuses more messages")
        )
    return Deferred(_reason(reply, "provider-fault", "temporary error at the mail server"))


def _permanent(step: Step, reply: Reply) -> Outcome:
    too_large = reply.enhanced in ("5.2.3", "5.3.4") or (
        reply.code == 552 and step is not Step.RECIPIENT
    )
    if too_large:
        return Rejected(
            _reason(reply, "too-large", "the message exceeds the mail server's size limit")
        )
    if step is Step.OPEN:
        return Misconfigured(
            _reason(reply, "refused-connection", "the mail server refused the connection")
        )
    if step is Step.SENDER:
        return Misconfigured(
            _reason(reply, "refused-sender", "the mail server rejected the sender address")
        )
    if step is Step.RECIPIENT and (
        reply.enhanced.startswith("5.1.") or (not reply.enhanced and reply.code in (550, 551, 553))
    ):
        return Rejected(
            _reason(reply, "unknown-recipient", "the mail server does not know the recipient")
        )
    if step is Step.RECIPIENT:
        return Rejected(
            _reason(reply, "refused-recipient", "the mail server rejected the recipient")
        )
    return Rejected(_reason(reply, "refused-content", "the mail server rejected the message"))


def _reason(reply: Reply, code: str, sentence: str) -> Reason:
    return Reason(code, sentence, reply.provider_code)
