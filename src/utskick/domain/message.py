"""What was asked, and by whom: the batch, its messages, the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from utskick.domain.channel import Plan, Priority


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: municipality, calling system (``x-origin``), user (``X-Sent-By`` or ``x-issuer``),
    and the id of the call.

    ``client``: whose token it was, None where nobody is asked for one; ``address``: the machine
    that called. What stands in headers is what the caller says of itself.
    """

    municipality_id: str
    origin: str | None = None
    issuer: str | None = None
    request_id: str | None = None
    client: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An ``Idempotency-Key`` with the digest of path and body that it was used for."""

    text: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class NumberedRequest:
    """A planned request with its ids, ready to be stored. ``ids``: (message id, delivery id) for
    each recipient of the plan.

    ``types``: the contract's word for each channel that a first delivery may go by.
    """

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
    types: Mapping[str, str]

    @property
    def mark(self) -> UUID:
        """What an Idempotency-Key remembers: the batch, or in a batch of the caller's own the one
        message."""
        return self.batch_id if self.plan.batch_id is None else self.ids[0][0]

    def channel_of(self, index: int) -> str:
        """The channel of a recipient's first delivery."""
        legs = self.plan.recipients[index].legs
        return legs[0] if legs else self.channel

    def visible_type(self, index: int) -> str:
        """The contract's word in an asynchronous answer: of a person whose way is still to be
        found, the request's own."""
        recipient = self.plan.recipients[index]
        return (
            self.message_type
            if recipient.legs and recipient.party_id
            else self.types[self.channel_of(index)]
        )

    def lane(self, index: int) -> str:
        return lane_of(self.channel_of(index), self.plan.priority)


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer given before, to be given again."""

    status: int
    body: bytes
    headers: dict[str, Any]


def lane_of(channel: str, priority: Priority) -> str:
    """The queue that a delivery waits in: channel and priority."""
    return f"{channel}:{priority.value.lower()}"
