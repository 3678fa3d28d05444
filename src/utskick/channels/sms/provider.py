"""What the channel knows of a provider, and the words they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from utskick.domain.channel import ProviderCallback, Receipt
from utskick.domain.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS as every provider takes it: ``number`` in E.164, ``urgent`` where the caller said
    HIGH."""

    sender: str
    number: str
    text: str
    urgent: bool = False


class SmsProvider(Protocol):
    """One provider account, spoken to."""

    def carries(self, number: str) -> bool:
        """Whether the provider delivers to this number (E.164)."""
        ...

    async def send(self, sms: Sms, key: UUID) -> Outcome:
        """One attempt; ``key`` goes along where the protocol has room for it."""
        ...

    def read_report(self, hook: ProviderCallback) -> list[Receipt]:
        """A report whose origin has been verified. Raises ``Unreadable``."""
        ...
