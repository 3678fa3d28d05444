"""SMTP replies mapped to outcomes by transaction step (RFC 5321 section 4.2, RFC 3463)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from utskick.channels.email.smtp_meanings import (
    CLOSING,
    CONTENT,
    GARBAGE,
    LOGIN,
    Meaning,
    Step,
    by_basic_code,
    by_enhanced_code,
    by_words,
)
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Rejected,
    Sent,
    Uncertain,
)

__all__ = ["Reply", "Step", "outcome_of"]

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|\Z)")
_LOGIN_CODES = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the server.

    ``text`` may contain the recipient's address; it is used only for ``reference``, and to find out
    what the server refused.
    """

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        match = _ENHANCED.match(self.text)
        return match[1] if match else ""

    @property
    def detail(self) -> str:
        """Subject and detail of the enhanced code (RFC 3463 section 2), such as ``1.1``.

        Without its class: the first digit of the basic code decides whether a fault is permanent.
        """
        return self.enhanced[2:]

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
    if step is Step.CONTENT and reply.code // 100 == 2:
        return Sent(reply.reference)
    meaning = _meaning(step, reply)
    reason = replace(meaning.reason, provider_code=reply.provider_code)
    if meaning is GARBAGE:
        return (
            Uncertain(reason, meaning.concerns)
            if step is Step.CONTENT
            else Deferred(reason, concerns=meaning.concerns)
        )
    if meaning.ours and (reply.code // 100 == 5 or meaning.always_ours):
        return Misconfigured(reason, meaning.concerns)
    if reply.code // 100 == 4:
        return Deferred(reason, concerns=meaning.concerns)
    return Rejected(reason)


def _meaning(step: Step, reply: Reply) -> Meaning:
    """Return what the server said: by the enhanced code, then by words, then by the basic code."""
    kind = reply.code // 100
    if kind not in (4, 5):
        return GARBAGE
    if reply.code == 421:
        return CLOSING
    if reply.code in _LOGIN_CODES:
        return LOGIN
    temporary = kind == 4
    found = (
        by_words(step, reply.detail, reply.text, temporary=temporary)
        or by_enhanced_code(step, reply.detail, temporary=temporary)
        or by_basic_code(step, reply.code)
    )
    return CONTENT if found is None else found
