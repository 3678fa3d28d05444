"""What was asked, and by whom: the batch, its messages, the caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from utskick.domain.channel import Plan, Priority


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: municipality, calling system (``x-origin``), user (``X-Sent-By`` or ``x-issuer``), and the id of the call."""

    municipality_id: str
    origin: str | None = None
    issuer: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An ``Idempotency-Key`` with the digest of path and body that it was used for."""

    text: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Numbered:
    """A planned request with its ids, ready to be stored. ``ids``: (message id, delivery id) for each recipient of the plan."""

    batch_id: UUID
    caller: Caller
    channel: str
    message_type: str
    plan: Plan
    ids: list[tuple[UUID, UUID]]
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    awaited: bool

    @property
    def lane(self) -> str:
        return lane_of(self.channel, self.plan.priority)


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer given before, to be given again."""

    status: int
    body: bytes
    headers: dict[str, Any]


def lane_of(channel: str, priority: Priority) -> str:
    """The queue that a delivery waits in: channel and priority."""
    return f"{channel}:{priority.value.lower()}"
