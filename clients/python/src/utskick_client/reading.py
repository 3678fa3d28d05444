"""Calls that read status, history and statistics, resolve deliveries and manage webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from email.message import Message
from typing import Any, Literal, TypeVar

from utskick_client.calls import Call, get, get_list, path_of, post, query_of
from utskick_client.reports import (
    DeliveryStatusStatistics,
    DepartmentStatistics,
    EventPage,
    PingResult,
    Statistics,
    UserBatches,
    UserMessage,
    UserMessages,
    Webhook,
    WebhookSecret,
)
from utskick_client.results import (
    Attachment,
    BatchResult,
    DeliveryResult,
    HistoryEntry,
    MessageResult,
)
from utskick_client.steps import Repeat, Reply, Request
from utskick_client.wire import Result, encoded, read

R = TypeVar("R", bound=Result)


@dataclass(frozen=True, slots=True)
class Days:
    """Range of days, both included; None means unbounded."""

    since: date | None = None
    until: date | None = None

    def query(self, **more: object) -> dict[str, str]:
        return {**query_of(**more), **query_of(from_=self.since, to=self.until)}


# -- status ----------------------------------------


def batch_status(batch_id: str, *, messages: bool = True) -> Call[BatchResult]:
    """Return the status of a batch; without ``messages`` only the counts."""
    return get(
        BatchResult, path_of("status", "batch", batch_id), {} if messages else {"messages": "false"}
    )


def message_status(message_id: str) -> Call[MessageResult]:
    """Return the status of a message."""
    return get(MessageResult, path_of("status", "messages", message_id))


def delivery_status(delivery_id: str) -> Call[DeliveryResult]:
    """Return the status of a delivery with all events."""
    return get(DeliveryResult, path_of("status", "delivery", delivery_id))


def resolve_delivery(
    delivery_id: str, decision: Literal["sent", "not-sent", "resend", "give-up"]
) -> Call[DeliveryResult]:
    """Resolve an uncertain delivery.

    ``sent``, ``not-sent``: somebody has found out. ``resend``: send it again, possibly as a second
    copy. ``give-up``: end it as failed.
    """
    return post(
        DeliveryResult, path_of("deliveries", delivery_id, "resolve"), {"decision": decision}
    )


# -- history ----------------------------------------


def conversation_history(party_id: str, days: Days = Days()) -> Call[tuple[HistoryEntry, ...]]:
    """Return all messages to a party, newest first."""
    return get_list(HistoryEntry, path_of("conversation-history", party_id), days.query())


def message_history(message_id: str) -> Call[tuple[HistoryEntry, ...]]:
    """Return a message with its contents, one entry per delivery."""
    return get_list(HistoryEntry, path_of("messages", message_id))


def message_metadata(message_id: str) -> Call[tuple[HistoryEntry, ...]]:
    """Return a message without the contents of its attachments."""
    return get_list(HistoryEntry, path_of("messages", message_id, "metadata"))


def attachment_request(message_id: str, file_name: str) -> Request:
    return Request(
        "GET",
        path_of("messages", message_id, "attachments"),
        query_of(fileName=file_name),
        accept="*/*",
    )


def attachment(message_id: str, file_name: str) -> Call[Attachment]:
    """Return a file of a message; ``attachment_chunks`` avoids holding it in memory."""

    def file(reply: Reply) -> Attachment:
        headers = Message()
        headers["Content-Type"] = reply.headers.get("content-type", "application/octet-stream")
        return Attachment(
            name=file_name, content_type=headers.get_content_type(), content=reply.body
        )

    return Call(attachment_request(message_id, file_name), file)


# -- users ----------------------------------------


def user_batches(user_id: str, *, page: int = 1, limit: int = 15) -> Call[UserBatches]:
    """Return a page of a user's batches of the last 30 days."""
    return get(UserBatches, path_of("users", user_id, "batches"), query_of(page=page, limit=limit))


def user_messages(
    user_id: str, *, batch_id: str | None = None, page: int = 1, limit: int = 15
) -> Call[UserMessages]:
    """Return a page of a user's messages of the last 30 days."""
    return get(
        UserMessages,
        path_of("users", user_id, "messages"),
        query_of(batchId=batch_id, page=page, limit=limit),
    )


def user_message(user_id: str, message_id: str) -> Call[UserMessage]:
    """Return a message sent by a user."""
    return get(UserMessage, path_of("users", user_id, "messages", message_id))


# -- statistics ----------------------------------------


def statistics(days: Days = Days(), *, message_type: str | None = None) -> Call[Statistics]:
    """Return deliveries by type; ``message_type`` is that of the request (``LETTER`` …)."""
    return get(Statistics, "statistics", days.query(messageType=message_type))


def department_statistics(
    days: Days = Days(), *, department: str | None = None, origin: str | None = None
) -> Call[tuple[DepartmentStatistics, ...]]:
    """Return letters by system and department."""
    parts = ("statistics", "departments", *([department] if department is not None else []))
    return get_list(DepartmentStatistics, path_of(*parts), days.query(origin=origin))


def delivery_status_statistics(
    days: Days = Days(), *, department: str | None = None, origin: str | None = None
) -> Call[DeliveryStatusStatistics]:
    """Return letters and SMS of a department, of a system, or of all."""
    return get(
        DeliveryStatusStatistics,
        "statistics/delivery-status",
        days.query(department=department, origin=origin),
    )


# -- the feed and webhooks ----------------------------------------


def events(
    after: str | None = None, *, limit: int | None = None, origin: str | None = None
) -> Call[EventPage]:
    """Return a page of the event feed.

    ``after``: ``next`` of the previous page; None begins at the oldest event.
    """
    return get(EventPage, "events", query_of(after=after, limit=limit, origin=origin))


def create_webhook(
    url: str,
    statuses: Sequence[str] | None = None,
    description: str | None = None,
    *,
    events: str | None = None,
) -> Call[Webhook]:
    """Create a webhook for the client's origin.

    ``statuses``: lifecycles to report; None for all. ``events``: ``deliveries`` (default), or
    ``inbound`` for the municipality's inbound messages. Store the ``secret``, which is returned
    only once.
    """
    members = {
        "url": url,
        "events": events,
        "statuses": list(statuses) if statuses is not None else None,
        "description": description,
    }
    return post(
        Webhook, "webhooks", {name: value for name, value in members.items() if value is not None}
    )


def _webhook_action(kind: type[R], webhook_id: str, what: str, repeat: Repeat) -> Call[R]:
    return Call(
        Request("POST", path_of("webhooks", webhook_id, what), repeat=repeat),
        lambda reply: read(kind, reply.json()),
    )


def enable_webhook(webhook_id: str) -> Call[Webhook]:
    """Enable a webhook that is disabled or waiting to retry; it resumes where it stopped."""
    return _webhook_action(Webhook, webhook_id, "enable", Repeat.ALWAYS)


def rotate_webhook_secret(webhook_id: str) -> Call[WebhookSecret]:
    """Return a new secret of a webhook, which is returned only once."""
    return _webhook_action(WebhookSecret, webhook_id, "rotate", Repeat.NEVER)


def ping_webhook(webhook_id: str) -> Call[PingResult]:
    """Call a webhook now to test it."""
    return _webhook_action(PingResult, webhook_id, "ping", Repeat.ALWAYS)


def webhooks() -> Call[tuple[Webhook, ...]]:
    """Return all webhooks."""
    return get_list(Webhook, "webhooks")


def webhook(webhook_id: str) -> Call[Webhook]:
    """Return a webhook."""
    return get(Webhook, path_of("webhooks", webhook_id))


def delete_webhook(webhook_id: str) -> Call[None]:
    """Delete a webhook."""
    return Call(
        Request("DELETE", path_of("webhooks", webhook_id), repeat=Repeat.NEVER), lambda _: None
    )


# -- other operations ----------------------------------------


def request(
    method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
) -> Call[Any]:
    """Make a call that has no method here; return the JSON of the response, or None.

    ``path`` is relative to the municipality. GET and PUT are retried.
    """
    repeat = Repeat.ALWAYS if method in ("GET", "PUT") else Repeat.NEVER
    return Call(
        Request(
            method, path, query or {}, encoded(body) if body is not None else None, repeat=repeat
        ),
        lambda reply: reply.json(),
    )
