"""What the API answered, typed: the contract's results, with Utskick's own members beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from utskick.domain.outcome import Reason
from utskick.domain.status import SETTLED, Status

Counts = Mapping[Status, int]


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a delivery's story. ``at``: Swedish wall time, as the contract prints it."""

    at: datetime
    status: str
    attempt: int | None
    account: str | None
    reference: str | None
    reason: Reason | None
    actor: str | None


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """``lifecycle`` None: accepted, and not waited for. ``shown``: the contract's word for it."""

    id: str
    message_type: str
    shown: str | None
    lifecycle: Status | None
    attempts: int
    reason: Reason | None
    message_id: str | None
    batch_id: str | None
    reference: str | None
    events: tuple[Event, ...] = ()

    @property
    def settled(self) -> bool:
        return self.lifecycle in SETTLED


@dataclass(frozen=True, slots=True)
class MessageResult:
    """``sms``: encoding, characters, segments and perhaps a notice; None for other channels."""

    id: str
    batch_id: str | None
    reference: str | None
    deliveries: tuple[DeliveryResult, ...]
    sms: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """``messages`` in the order of the request, where the call was asked for them; ``counts`` where it told them."""

    id: str
    counts: Counts
    messages: tuple[MessageResult, ...]
    duplicates: int
    sms: Mapping[str, Any] | None

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def unsettled(counts: Counts) -> int:
    """Deliveries that still move of themselves."""
    return sum(number for status, number in counts.items() if status not in SETTLED)


def read_delivery(members: Mapping[str, Any]) -> DeliveryResult:
    lifecycle = members.get("lifecycle")
    return DeliveryResult(
        id=members["deliveryId"],
        message_type=members.get("messageType", ""),
        shown=members.get("status"),
        lifecycle=Status(lifecycle) if lifecycle else None,
        attempts=members.get("attempts", 0),
        reason=_reason(members.get("reason")),
        message_id=members.get("messageId"),
        batch_id=members.get("batchId"),
        reference=members.get("reference"),
        events=tuple(_event(event) for event in members.get("events", ())),
    )


def read_message(members: Mapping[str, Any]) -> MessageResult:
    deliveries = tuple(read_delivery(delivery) for delivery in members["deliveries"])
    return MessageResult(members["messageId"], members.get("batchId"), members.get("reference"), deliveries, members.get("sms"))


def read_batch(members: Mapping[str, Any]) -> BatchResult:
    return BatchResult(
        id=members["batchId"],
        counts={Status(word): number for word, number in members.get("counts", {}).items()},
        messages=tuple(read_message(message) for message in members.get("messages", ())),
        duplicates=members.get("duplicates", 0),
        sms=members.get("sms"),
    )


def _event(members: Mapping[str, Any]) -> Event:
    return Event(
        at=datetime.fromisoformat(members["timestamp"]),
        status=members["status"],
        attempt=members.get("attempt"),
        account=members.get("provider"),
        reference=members.get("providerReference"),
        reason=_reason(members.get("reason")),
        actor=members.get("actor"),
    )


def _reason(members: Mapping[str, Any] | None) -> Reason | None:
    return Reason(members["code"], members.get("message", ""), members.get("providerCode")) if members else None
