"""Response models of extracts and erasure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from utskick.domain.retention import Kept as KeptReason
from utskick.http.directory.schemas import ContactSetting, Delegate, PushSubscription
from utskick.http.operation.schemas import Response, member, words
from utskick.http.retention.schemas import Hold, RetentionRule

Kept = Annotated[str, words(KeptReason)]


class ErasureKept(Response):
    """Objects that were kept, and why."""

    what: Literal["message", "directory"] | None = member(
        "Messages, or directory entries", "message"
    )
    count: int | None = member("Number", 13)
    reason: Kept | None = member("Reason", "hold")
    decision: str | None = member("For `preserve`: decision of the rule", "KS 2026/123")
    reference: str | None = member("For `hold`: case or decision", "TR 2026/17")


class ErasureRemoved(Response):
    """Number of deleted objects by kind."""

    messages: int | None = member("Messages")
    deliveries: int | None = member("Deliveries")
    batches: int | None = member("Batches, deleted with their last message")
    files: int | None = member("Files without references")
    parties: int | None = member("Directory entries")
    contact_settings: int | None = member("Contact settings")
    delegates: int | None = member("Delegates")
    devices: int | None = member("Devices that receive push messages")


class Erasure(Response):
    """Result of erasing a person."""

    removed: ErasureRemoved | None = member("Number of deleted objects by kind")
    kept: list[ErasureKept] | None = member(
        "What was kept. `untold`: not counted yet, or not sent to a webhook yet; retry later"
    )


class PartyExtract(Response):
    """All stored data about a person (GDPR article 15)."""

    municipality_id: str | None = member("Municipality", "2281")
    party_id: UUID | None = member("Party id of the person", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87")
    created: datetime | None = member("When it was created", "2026-02-25T15:54:39.254123+01:00")
    party: dict[str, Any] | None = member(
        "Directory entry with the full number and address; absent where there is none"
    )
    contact_settings: list[ContactSetting] | None = member(
        "Contact settings of the person and the virtual ones they created"
    )
    delegates: list[Delegate] | None = member("Delegates with the person as principal or agent")
    devices: list[PushSubscription] | None = member("Devices that receive push messages")
    holds: list[Hold] | None = member("Holds on the person or on a message or batch to the person")
    retention: list[RetentionRule] | None = member("Retention rules of the municipality")
    messages: list[dict[str, Any]] | None = member(
        "Messages, newest first, each with deliveries, files and the retention rule that applies"
    )
    inbound_messages: list[dict[str, Any]] | None = member(
        "Inbound messages, newest first, from numbers to which the person was sent messages that "
        "are still stored, each with the retention rule that applies"
    )
