"""What a server's reply means at each step of a mail transaction (RFC 5321 section 4.2, RFC
3463)."""

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
    """How far a transaction had come when the reply arrived."""

    OPEN = "open"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply. ``text`` may name the recipient and never leaves this channel but as the reference
    of a message taken."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        found = _ENHANCED.match(self.text)
        return found[1] if found else ""

    @property
    def provider_code(self) -> str:
        return f"{self.code} {self.enhanced}".strip()

    @property
    def reference(self) -> str | None:
        """What the server calls the message it took, in its own words, at most 200 characters."""
        said = " ".join(_ENHANCED.sub("", self.text, count=1).split())
        return "".join(ch if ch.isprintable() else "?" for ch in said)[:200] or None


def verdict(step: Step, reply: Reply) -> Outcome:
    """The outcome of a reply that ends a transaction; ``Sent`` only for the last one of all."""
    kind = reply.code // 100
    if step is Step.CONTENT and kind == 2:
        return Sent(reply.reference)
    if reply.code in _LOGIN:
        return Misconfigured(_reason(reply, "refused-login", "the mail server refused our login"))
    if reply.code == 421:
        return Deferred(_reason(reply, "closing", "the mail server was closing"))
    if kind == 4:
        return _temporary(reply)
    if kind == 5:
        return _permanent(step, reply)
    if step is Step.CONTENT:
        return Uncertain(
            _reason(
                reply, "garbage", "the mail server's answer to the message cannot be understood"
            )
        )
    return Deferred(_reason(reply, "garbage", "the mail server answered what cannot be understood"))


def _temporary(reply: Reply) -> Outcome:
    if reply.enhanced.startswith("4.7."):
        return Deferred(_reason(reply, "throttled", "the mail server asked us to come again later"))
    return Deferred(_reason(reply, "provider-fault", "the mail server had a temporary fault"))


def _permanent(step: Step, reply: Reply) -> Outcome:
    too_large = reply.enhanced in ("5.2.3", "5.3.4") or (
        reply.code == 552 and step is not Step.RECIPIENT
    )
    if too_large:
        return Rejected(
            _reason(reply, "too-large", "the message is larger than the mail server takes")
        )
    if step is Step.OPEN:
        return Misconfigured(
            _reason(reply, "refused-connection", "the mail server will not speak with us")
        )
    if step is Step.SENDER:
        return Misconfigured(
            _reason(reply, "refused-sender", "the mail server will not carry mail from this sender")
        )
    if step is Step.RECIPIENT and (
        reply.enhanced.startswith("5.1.") or (not reply.enhanced and reply.code in (550, 551, 553))
    ):
        return Rejected(
            _reason(reply, "unknown-recipient", "the mail server knows no such recipient")
        )
    if step is Step.RECIPIENT:
        return Rejected(
            _reason(reply, "refused-recipient", "the mail server refused the recipient")
        )
    return Rejected(_reason(reply, "refused-content", "the mail server refused the message"))


def _reason(reply: Reply, code: str, sentence: str) -> Reason:
    return Reason(code, sentence, reply.provider_code)
