"""What became of messages: the contract's results, with Utskick's own members beside them. Unknown
members stand in ``raw``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from utskick_client.wire import Result, Wire


class Lifecycle(StrEnum):
    """Utskick's own words for the status of a delivery. A newer service may know more."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    DEFERRED = "deferred"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    GATHERED = "gathered"
    ROUTED = "routed"


#: What no longer moves of itself; a receipt or a person may still move it.
SETTLED: Final[frozenset[str]] = frozenset(
    {"sent", "delivered", "failed", "uncertain", "expired", "cancelled"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(Result):
    """Why a delivery is where it is."""

    code: str
    message: str = ""
    provider_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEvent(Result):
    """A line of a delivery's story. ``timestamp``: Swedish local time, as everywhere in the
    contract."""

    timestamp: datetime
    status: str
    attempt: int | None = None
    provider: str | None = None
    provider_reference: str | None = None
    reason: Reason | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult(Result):
    """``status``: the contract's word; None: accepted, and not waited for. ``lifecycle``: Utskick's
    own (``Lifecycle``)."""

    delivery_id: str
    message_type: str = ""
    status: str | None = None
    lifecycle: str | None = None
    attempts: int = 0
    reason: Reason | None = None
    message_id: str | None = None
    batch_id: str | None = None
    reference: str | None = None
    routed_to: tuple[DeliveryResult, ...] = ()
    events: tuple[DeliveryEvent, ...] = ()

    @property
    def settled(self) -> bool:
        return self.lifecycle in SETTLED


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsMeasure(Result):
    """How long an SMS is. ``notice``: what would make it cheaper."""

    encoding: str
    characters: int
    segments: int
    notice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageResult(Result):
    """A message and its deliveries.

    ``key``: the Idempotency-Key of the call that sent it. ``replayed``: that key was used before;
    nothing new was sent.
    """

    message_id: str
    batch_id: str | None = None
    reference: str | None = None
    deliveries: tuple[DeliveryResult, ...] = ()
    sms: SmsMeasure | None = None
    key: Annotated[str | None, Wire(None)] = None
    replayed: Annotated[bool, Wire(None)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult(Result):
    """A batch; ``messages`` in the order of the request. ``counts``: deliveries by lifecycle, where
    the call tells them."""

    batch_id: str
    messages: tuple[MessageResult, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    reference: str | None = None
    sms: SmsMeasure | None = None
    key: Annotated[str | None, Wire(None)] = None
    replayed: Annotated[bool, Wire(None)] = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def unsettled(self) -> int:
        return unsettled(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProgress(Result):
    """The counts of a batch at one moment. ``settled``: deliveries that no longer move of
    themselves."""

    batch_id: str
    counts: Mapping[str, int]
    total: int
    settled: int

    @property
    def done(self) -> bool:
        return self.settled == self.total


def unsettled(counts: Mapping[str, int]) -> int:
    """Deliveries that still move of themselves."""
    return sum(number for status, number in counts.items() if status not in SETTLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry(Result):
    """Something that was said to somebody. ``content``: the request, as JSON has it."""

    message_type: str
    status: str
    timestamp: datetime
    content: Mapping[str, Any] = field(default_factory=dict)
    lifecycle: str | None = None
    message_id: str | None = None
    delivery_id: str | None = None
    reference: str | None = None
    sms: SmsMeasure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Result):
    """A file that was sent."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox(Result):
    """Whether somebody has a digital mailbox. ``supplier``: its operator; ``reason``: why not."""

    party_id: str
    reachable: bool
    supplier: str | None = None
    reason: str | None = None
