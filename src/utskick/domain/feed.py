"""The feed: the events of deliveries in one order that never changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from utskick.domain.clock import swedish
from utskick.domain.outcome import Reason
from utskick.domain.status import UNDELIVERABLE, Status, contract_status

_TEXT: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,19})\Z")
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A position in the feed: number of the transaction, then of the event.

    As text it is opaque to clients.
    """

    tx: int
    id: int

    def __str__(self) -> str:
        return f"{self.tx}-{self.id}"


#: Before everything that is kept.
OLDEST: Final = Position(0, 0)


def read_position(text: str) -> Position | None:
    """Parse a position. None: it is not a valid one."""
    found = _TEXT.match(text)
    if found is None:
        return None
    tx, number = int(found[1]), int(found[2])
    return Position(tx, number) if max(tx, number) <= _LARGEST else None


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event of a delivery. ``original_type``: the message type of its request."""

    position: Position
    delivery_id: UUID
    message_id: UUID
    batch_id: UUID
    message_type: str
    original_type: str
    lifecycle: Status
    reason: Reason | None
    reference: str | None
    origin: str | None
    at: datetime

    @property
    def visible_type(self) -> str:
        """The message type, by the rule of ``store.history.status.DeliveryState.visible_type``."""
        undeliverable = self.reason is not None and self.reason.code.startswith(UNDELIVERABLE)
        return self.original_type if undeliverable else self.message_type

    def told(self) -> dict[str, Any]:
        """Render the event for feed and webhooks, without personal data."""
        reason = self.reason
        members = {
            "position": str(self.position),
            "deliveryId": str(self.delivery_id),
            "messageId": str(self.message_id),
            "batchId": str(self.batch_id),
            "messageType": self.visible_type,
            "originalMessageType": self.original_type,
            "status": contract_status(self.lifecycle, reason.code if reason else None).value,
            "lifecycle": self.lifecycle.value,
            "reason": _filled(
                code=reason.code, message=reason.sentence, providerCode=reason.provider_code
            )
            if reason
            else None,
            "reference": self.reference,
            "origin": self.origin,
            "timestamp": swedish(self.at),
        }
        return _filled(**members)


def _filled(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
