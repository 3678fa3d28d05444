"""Receipts: what a provider reports of a delivery after it accepted it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from utskick.domain.inbound import InboundPart
from utskick.domain.outcome import Reason


class Report(StrEnum):
    """What a provider's receipt reports of a delivery."""

    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's later report on one delivery.

    ``key``: the delivery's id where the provider returns it, else None.
    """

    provider: str
    report: Report
    key: UUID | None
    reference: str | None
    at: datetime | None
    reason: Reason | None = None


#: ``keep(account, reported)`` returns when they are on disk.
Keep = Callable[[str, Sequence[Receipt | InboundPart]], Awaitable[None]]
