"""A request and its caller: the batch, its messages, who sent it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from utskick.domain.channel import Plan, Priority


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: municipality, system, user, and the id of the call.

    ``origin``: ``x-origin``. ``issuer``: ``X-Sent-By`` or ``x-issuer``. ``client``: whose token it
    was, None where none is required. ``address``: the machine that called. Headers are the caller's
    own claims.
    """

    municipality_id: str
    origin: str | None = None
    issuer: str | None = None
    request_id: str | None = None
    client: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An ``Idempotency-Key`` with the digest of path and body that it was used for.

    ``client``: whose token the request had, "" without one; each client has keys of its own.
    """

    text: str
    digest: bytes
    client: str = ""


@dataclass(frozen=True, slots=True)
class NumberedRequest:
    """A planned request with its ids, ready to be stored.

    ``ids``: (message id, delivery id) for each recipient of the plan. ``types``: the message type
    of each channel that a first delivery may go by. ``final``: the answer of its synchronous call
    is final: what is not settled then is withdrawn.
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
    final: bool = False

    @property
    def mark(self) -> UUID:
        """What an Idempotency-Key refers to.

        The batch, or, in a batch of the caller's own, the message.
        """
        return self.batch_id if self.plan.batch_id is None else self.ids[0][0]

    def channel_of(self, index: int) -> str:
        """Return the channel of a recipient's first delivery."""
        legs = self.plan.recipients[index].legs
        return legs[0] if legs else self.channel

    def visible_type(self, index: int) -> str:
        """Return the message type in an asynchronous answer.

        The request's own for a person whose channel is not known yet.
        """
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
    """A stored answer, to be given again."""

    status: int
    body: bytes
    headers: dict[str, Any]


def lane_of(channel: str, priority: Priority) -> str:
    """Return the queue that a delivery waits in: channel and priority."""
    return f"{channel}:{priority.value.lower()}"
