"""Inbound messages: what a recipient writes back to a number of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from utskick.domain.clock import swedish
from utskick.domain.feed import Position

#: Texts that ask for no more messages, compared without letter case and surrounding space.
STOP_WORDS: Final = frozenset(
    {"STOP", "STOPP", "AVSLUTA", "AVREGISTRERA", "UNSUBSCRIBE", "END"},
)


@dataclass(frozen=True, slots=True, repr=False)
class InboundPart:
    """A message, or one part of a concatenated one (3GPP TS 23.040 section 9.2.3.24).

    ``sender``: the person's number. ``recipient``: ours. ``reference``: the same in all parts.
    ``part``: from 1 to ``total``. ``text`` may end within a UTF-16 surrogate pair.
    """

    sender: str
    recipient: str
    text: str
    reference: int = 0
    total: int = 1
    part: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundNotice:
    """A message without what is personal. ``missing``: how many of its parts never came."""

    id: UUID
    position: Position
    message_type: str
    account: str
    recipient: str
    missing: int
    stop: bool
    received_at: datetime

    def told(self, account_label: str) -> dict[str, Any]:
        """Render it for webhooks. ``account_label``: the readable name of its account."""
        return {
            "id": str(self.id),
            "receivedAt": swedish(self.received_at),
            "recipient": self.recipient,
            "stop": self.stop,
            "missingParts": self.missing,
            "account": account_label,
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InboundMessage(InboundNotice):
    """A message with number and text.

    ``sender`` and ``text`` None: the key of their month has been destroyed.
    """

    sender: str | None
    text: str | None


def joined(text: str) -> str:
    """Return a text whose surrogate pairs, split between parts, are characters again.

    What does not pair is replaced.
    """
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace")


def asks_to_stop(text: str) -> bool:
    """Return whether the whole text is one of the stop words."""
    return text.strip().upper() in STOP_WORDS
