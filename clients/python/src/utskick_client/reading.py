"""The calls that read: status, history, users, statistics, and the feed; a person's decision, and
webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from email.message import Message
from typing import Any, Literal, TypeVar

from utskick_client.calls import Call, got, got_list, path_of, posted, query_of
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
    """From the first to the last day, both included; None: no bound."""

    since: date | None = None
    until: date | None = None

    def query(self, **more: object) -> dict[str, str]:
        return {**query_of(**more), **query_of(from_=self.since, to=self.until)}


# -- status ----------------------------------------


def batch_status(batch_id: str, *, messages: bool = True) -> Call[BatchResult]:
    """``messages`` False: only the counts."""
    return got(
        BatchResult, path_of("status", "batch", batch_id), {} if messages else {"messages": "false"}
    )


def message_status(message_id: str) -> Call[MessageResult]:
    """What became of a message."""
    return got(MessageResult, path_of("status", "messages", message_id))


def delivery_status(delivery_id: str) -> Call[DeliveryResult]:
    """What became of a delivery, with its whole story."""
    return got(DeliveryResult, path_of("status", "delivery", delivery_id))


def resolve_delivery(
    delivery_id: str, decision: Literal["resend", "give-up"]
) -> Call[DeliveryResult]:
    """Decide on a delivery that is held in doubt: send it once more, knowing that it may be the
    second copy, or leave it."""
    return posted(
        DeliveryResult, path_of("deliveries", delivery_id, "resolve"), {"decision": decision}
    )


# -- history ----------------------------------------


def conversation_history(party_id: str, days: Days = Days()) -> Call[tuple[HistoryEntry, ...]]:
    """All that was said to somebody, newest first."""
    return got_list(HistoryEntry, path_of("conversation-history", party_id), days.query())


def message_history(message_id: str) -> Call[tuple[HistoryEntry, ...]]:
    """A message with its content, one entry for each delivery."""
    return got_list(HistoryEntry, path_of("messages", message_id))


def message_metadata(message_id: str) -> Call[tuple[HistoryEntry, ...]]:
    """The same, without the content of attachments."""
    return got_list(HistoryEntry, path_of("messages", message_id, "metadata"))


def attachment_request(message_id: str, file_name: str) -> Request:
    return Request(
        "GET",
        path_of("messages", message_id, "attachments"),
        query_of(fileName=file_name),
        accept="*/*",
    )


def attachment(message_id: str, file_name: str) -> Call[Attachment]:
    """A file of a message, whole. ``attachment_chunks`` does not hold it all at once."""

    def file(reply: Reply) -> Attachment:
        headers = Message()
        headers["Content-Type"] = reply.headers.get("content-type", "application/octet-stream")
        return Attachment(
            name=file_name, content_type=headers.get_content_type(), content=reply.body
        )

    return Call(attachment_request(message_id, file_name), file)


# -- users ----------------------------------------


def user_batches(user_id: str, *, page: int = 1, limit: int = 15) -> Call[UserBatches]:
    """The batches that somebody sent in the last 30 days, one page of them."""
    return got(UserBatches, path_of("users", user_id, "batches"), query_of(page=page, limit=limit))


def user_messages(
    user_id: str, *, batch_id: str | None = None, page: int = 1, limit: int = 15
) -> Call[UserMessages]:
    """The messages that somebody sent in the last 30 days, one page of them."""
    return got(
        UserMessages,
        path_of("users", user_id, "messages"),
        query_of(batchId=batch_id, page=page, limit=limit),
    )


def user_message(user_id: str, message_id: str) -> Call[UserMessage]:
    """A message that somebody sent."""
    return got(UserMessage, path_of("users", user_id, "messages", message_id))


# -- statistics ----------------------------------------


def statistics(days: Days = Days(), *, message_type: str | None = None) -> Call[Statistics]:
    """Deliveries by type. ``message_type``: of the request (``LETTER``, ``SMS`` …)."""
    return got(Statistics, "statistics", days.query(messageType=message_type))


def department_statistics(
    days: Days = Days(), *, department: str | None = None, origin: str | None = None
) -> Call[tuple[DepartmentStatistics, ...]]:
    """Letters by system and department."""
    parts = ("statistics", "departments", *([department] if department is not None else []))
    return got_list(DepartmentStatistics, path_of(*parts), days.query(origin=origin))


def delivery_status_statistics(
    days: Days = Days(), *, department: str | None = None, origin: str | None = None
) -> Call[DeliveryStatusStatistics]:
    """Letters and SMS of a department, of a system, or of all."""
    return got(
        DeliveryStatusStatistics,
        "statistics/delivery-status",
        days.query(department=department, origin=origin),
    )


# -- the feed and webhooks ----------------------------------------


def events(
    after: str | None = None, *, limit: int | None = None, origin: str | None = None
) -> Call[EventPage]:
    """A page of the feed. ``after``: the ``next`` of the page before; None: the oldest that is
    kept."""
    return got(EventPage, "events", query_of(after=after, limit=limit, origin=origin))


def create_webhook(
    url: str, statuses: Sequence[str] | None = None, description: str | None = None
) -> Call[Webhook]:
    """For the client's origin. ``statuses``: of which lifecycles it is told; None: of all. Keep the
    ``secret``: only this answer has it."""
    given = {
        "url": url,
        "statuses": list(statuses) if statuses is not None else None,
        "description": description,
    }
    return posted(
        Webhook, "webhooks", {name: value for name, value in given.items() if value is not None}
    )


def _told(kind: type[R], webhook_id: str, what: str, repeat: Repeat) -> Call[R]:
    return Call(
        Request("POST", path_of("webhooks", webhook_id, what), repeat=repeat),
        lambda reply: read(kind, reply.json()),
    )


def enable_webhook(webhook_id: str) -> Call[Webhook]:
    """One that was disabled, or waits for its next try, goes on at once, where it stopped."""
    return _told(Webhook, webhook_id, "enable", Repeat.ALWAYS)


def rotate_webhook_secret(webhook_id: str) -> Call[WebhookSecret]:
    """A new secret; the answer alone has it."""
    return _told(WebhookSecret, webhook_id, "rotate", Repeat.NEVER)


def ping_webhook(webhook_id: str) -> Call[PingResult]:
    """Call it now, to see whether it answers."""
    return _told(PingResult, webhook_id, "ping", Repeat.ALWAYS)


def webhooks() -> Call[tuple[Webhook, ...]]:
    """All of them."""
    return got_list(Webhook, "webhooks")


def webhook(webhook_id: str) -> Call[Webhook]:
    """One of them."""
    return got(Webhook, path_of("webhooks", webhook_id))


def delete_webhook(webhook_id: str) -> Call[None]:
    """It is told no more."""
    return Call(
        Request("DELETE", path_of("webhooks", webhook_id), repeat=Repeat.NEVER), lambda _: None
    )


# -- all else ----------------------------------------


def request(
    method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
) -> Call[Any]:
    """A call that has no method here, as the directory's: ``path`` below the municipality; the JSON
    of the answer, None without one.

    Made again like any other where it is a GET or a PUT.
    """
    repeat = Repeat.ALWAYS if method in ("GET", "PUT") else Repeat.NEVER
    return Call(
        Request(
            method, path, query or {}, encoded(body) if body is not None else None, repeat=repeat
        ),
        lambda reply: reply.json(),
    )
