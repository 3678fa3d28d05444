"""Interface of SMS providers, and the message value passed to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from utskick.domain.channel import ProviderCallback
from utskick.domain.outcome import Outcome
from utskick.domain.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS in provider-neutral form.

    ``number``: E.164. ``urgent``: the caller requested priority HIGH. ``expires_at``: it must not
    be delivered after this time.
    """

    sender: str
    number: str
    text: str
    urgent: bool = False
    expires_at: datetime | None = None


class SmsProvider(Protocol):
    """Client of one provider account."""

    def supports(self, number: str) -> bool:
        """Return whether the provider delivers to this number (E.164)."""
        ...

    async def send(self, sms: Sms, key: UUID) -> Outcome:
        """Make one attempt; ``key`` is passed on where the protocol has a field for it."""
        ...

    def read_report(self, hook: ProviderCallback) -> list[Receipt]:
        """Parse a delivery report whose origin is verified. Raises ``Unreadable``."""
        ...
