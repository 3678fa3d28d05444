"""Results about messages: members of the contract and Utskick's own.

Members unknown to this release are in ``raw``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from utskick_client.wire import Result, Wire


class Lifecycle(StrEnum):
    """Utskick's status of a delivery; a newer service may return further values."""

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


#: Statuses that only a receipt or a person can still change.
SETTLED: Final[frozenset[str]] = frozenset(
    {"sent", "delivered", "failed", "uncertain", "expired", "cancelled"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason(Result):
    """Reason of a status."""

    code: str
    message: str = ""
    provider_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEvent(Result):
    """Event of a delivery; ``timestamp`` is Swedish local time, as everywhere in the contract.

    ``became``: the delivery's status after it, where it differs from ``status``.
    """

    timestamp: datetime
    status: str
    attempt: int | None = None
    provider: str | None = None
    provider_reference: str | None = None
    reason: Reason | None = None
    actor: str | None = None
    became: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitsFor(Result):
    """Paused account, or destination beyond it, that a pending delivery waits for."""

    account: str
    since: datetime
    retry_at: datetime
    destination: str | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver(Result):
    """Hand-over of a gathered letter to the printing house, while it fails.

    ``retry_at``: None while it is being tried, and where a person has to decide.
    """

    attempts: int
    since: datetime
    account: str | None = None
    retry_at: datetime | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult(Result):
    """Delivery.

    ``status``: status of the contract; None if accepted without waiting. ``lifecycle``: Utskick's
    own (``Lifecycle``).
    """

    delivery_id: str
    message_type: str = ""
    status: str | None = None
    lifecycle: str | None = None
    attempts: int = 0
    reason: Reason | None = None
    message_id: str | None = None
    batch_id: str | None = None
    reference: str | None = None
    waits_for: WaitsFor | None = None
    hand_over: HandOver | None = None
    routed_to: tuple[DeliveryResult, ...] = ()
    events: tuple[DeliveryEvent, ...] = ()

    @property
    def settled(self) -> bool:
        return self.lifecycle in SETTLED


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsMeasure(Result):
    """Length of an SMS; ``notice`` suggests a cheaper text."""

    encoding: str
    characters: int
    segments: int
    notice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Result):
    """What is worth knowing of a request that was accepted; ``text`` is a sentence for people."""

    code: str
    field: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageResult(Result):
    """Message and its deliveries.

    ``key``: Idempotency-Key of the sending call. ``replayed``: the key had been used before, and
    nothing new was sent.
    """

    message_id: str
    batch_id: str | None = None
    reference: str | None = None
    deliveries: tuple[DeliveryResult, ...] = ()
    sms: SmsMeasure | None = None
    notices: tuple[Notice, ...] = ()
    key: Annotated[str | None, Wire(None)] = None
    replayed: Annotated[bool, Wire(None)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult(Result):
    """Batch; ``messages`` are in the order of the request.

    ``counts``: deliveries by lifecycle, if the call returns them. ``waiting``: how many of them are
    tried later, the first at ``waits_until``.
    """

    batch_id: str
    messages: tuple[MessageResult, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    waits_until: datetime | None = None
    duplicates: int = 0
    reference: str | None = None
    sms: SmsMeasure | None = None
    notices: tuple[Notice, ...] = ()
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
    """Counts of a batch at one moment; ``settled`` is the number of settled deliveries."""

    batch_id: str
    counts: Mapping[str, int]
    total: int
    settled: int

    @property
    def done(self) -> bool:
        return self.settled == self.total


def unsettled(counts: Mapping[str, int]) -> int:
    """Return the number of deliveries that have not settled."""
    return sum(number for status, number in counts.items() if status not in SETTLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry(Result):
    """Message to a party; ``content`` is the JSON of the request."""

    message_type: str
    status: str
    timestamp: datetime
    content: Mapping[str, Any] = field(default_factory=dict)
    lifecycle: str | None = None
    message_id: str | None = None
    delivery_id: str | None = None
    reference: str | None = None
    sms: SmsMeasure | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Result):
    """File of a sent message."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox(Result):
    """Digital mailbox of a party.

    ``supplier``: mailbox operator. ``reason``: why there is no reachable mailbox.
    """

    party_id: str
    reachable: bool
    supplier: str | None = None
    reason: str | None = None
