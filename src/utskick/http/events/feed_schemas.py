"""Response models of the event feed."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from utskick.domain.status import Status
from utskick.http.messages.schemas import MessageStatus, MessageType, Reason
from utskick.http.operation.schemas import LocalTime, Response, member, words

#: Statuses that are events: not an attempt under way, and not a request whose outcome is that of
#: other deliveries.
LIFECYCLES: Final = tuple(
    status for status in Status if status not in (Status.SENDING, Status.ROUTED)
)
EventStatus = Annotated[str, words(LIFECYCLES)]


class FeedEvent(Response):
    """A status change of a delivery."""

    position: str | None = member("Position in the feed, opaque")
    delivery_id: UUID | None = member("Id of the delivery", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3e")
    message_id: UUID | None = member(
        "Id of the message to one recipient", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3d"
    )
    batch_id: UUID | None = member(
        "Id of the batch: all messages of one request", "0197a9e4-63b1-7d0c-9a51-0c9f6a1f2b3c"
    )
    message_type: MessageType | None = member("Type of the message")
    original_message_type: MessageType | None = member("Type of the request")
    status: MessageStatus | None = member("Status in the terms of the contract")
    lifecycle: EventStatus | None = member(
        "Life-cycle status, more detailed than `status`", "delivered"
    )
    reason: Reason | None = member("Reason of the status")
    reference: str | None = member(
        "Reference of the calling system, returned in responses, status, history and events",
        "rad-17",
    )
    origin: str | None = member("Calling system (`x-origin`)", "CASEDATA")
    timestamp: LocalTime | None = member(
        "Swedish local time without zone", "2026-02-25T15:54:39.254123"
    )


class EventPage(Response):
    """A page of the event feed."""

    events: list[FeedEvent] | None = member("Status changes, oldest first")
    next: str | None = member("Value of `after` for the next page, opaque")
    more: bool | None = member(
        "`true`: request the next page at once, even where this one is empty"
    )
