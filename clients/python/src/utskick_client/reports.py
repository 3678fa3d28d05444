"""Results about many messages: users, statistics, event feed and webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from utskick_client.results import Reason
from utskick_client.wire import Result, Wire

# -- users ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging(Result):
    """Position of a page and number of pages."""

    page: int
    limit: int
    count: int
    total_records: int
    total_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserBatchStatus(Result):
    """Numbers of messages with a sent delivery, without one, and still in progress."""

    successful: int
    unsuccessful: int
    pending: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserBatch(Result):
    """Batch sent by a user."""

    batch_id: str
    message_type: str | None = None
    subject: str | None = None
    sent: datetime | None = None
    attachment_count: int = 0
    recipient_count: int = 0
    status: UserBatchStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserBatches(Result):
    """Page of a user's batches, newest first."""

    batches: tuple[UserBatch, ...]
    paging: Annotated[Paging, Wire("_meta")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientAddress(Result):
    """Postal address of a recipient."""

    first_name: str | None = None
    last_name: str | None = None
    organization_name: str | None = None
    organization_number: str | None = None
    address: str | None = None
    apartment_number: str | None = None
    care_of: str | None = None
    zip_code: str | None = None
    city: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecipient(Result):
    """Recipient of a message, and the channel it was sent by."""

    status: str
    message_type: str
    address: RecipientAddress | None = None
    mobile_number: str | None = None
    person_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAttachment(Result):
    """File of a message."""

    file_name: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage(Result):
    """Message sent by a user; ``erased`` if the key of its month has been destroyed."""

    message_id: str
    issuer: str | None = None
    origin: str | None = None
    sent: datetime | None = None
    subject: str | None = None
    body: str | None = None
    batch_id: str | None = None
    reference: str | None = None
    erased: bool = False
    recipients: tuple[UserRecipient, ...] = ()
    attachments: tuple[UserAttachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessages(Result):
    """Page of a user's messages."""

    messages: tuple[UserMessage, ...]
    paging: Annotated[Paging, Wire("_meta")]


# -- statistics ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(Result):
    """Numbers of deliveries of one type."""

    sent: int = 0
    failed: int = 0
    not_sent: int = 0
    pending: int = 0
    awaiting_feedback: int = 0
    hand_over_fails: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatistics(Result):
    """Messages by contact settings, per channel; ``undeliverable`` had no channel."""

    email: Annotated[Counter | None, Wire("EMAIL")] = None
    sms: Annotated[Counter | None, Wire("SMS")] = None
    push: Annotated[Counter | None, Wire("PUSH")] = None
    undeliverable: Annotated[int, Wire("UNDELIVERABLE")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterStatistics(Result):
    """Letters per channel; ``undeliverable`` had no channel."""

    snail_mail: Annotated[Counter | None, Wire("SNAIL_MAIL")] = None
    digital_mail: Annotated[Counter | None, Wire("DIGITAL_MAIL")] = None
    undeliverable: Annotated[int, Wire("UNDELIVERABLE")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics(Result):
    """Deliveries per type; None if there were none."""

    email: Annotated[Counter | None, Wire("EMAIL")] = None
    sms: Annotated[Counter | None, Wire("SMS")] = None
    web_message: Annotated[Counter | None, Wire("WEB_MESSAGE")] = None
    digital_mail: Annotated[Counter | None, Wire("DIGITAL_MAIL")] = None
    snail_mail: Annotated[Counter | None, Wire("SNAIL_MAIL")] = None
    digital_invoice: Annotated[Counter | None, Wire("DIGITAL_INVOICE")] = None
    slack: Annotated[Counter | None, Wire("SLACK")] = None
    push: Annotated[Counter | None, Wire("PUSH")] = None
    message: Annotated[MessageStatistics | None, Wire("MESSAGE")] = None
    letter: Annotated[LetterStatistics | None, Wire("LETTER")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentLetters(Result):
    """Letters of one department; ``letter`` counts those without a channel."""

    department: Annotated[str, Wire("DEPARTMENT")]
    snail_mail: Annotated[Counter | None, Wire("SNAIL_MAIL")] = None
    digital_mail: Annotated[Counter | None, Wire("DIGITAL_MAIL")] = None
    letter: Annotated[Counter | None, Wire("LETTER")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentStatistics(Result):
    """Letters of a system's departments."""

    origin: Annotated[str, Wire("ORIGIN")]
    departments: Annotated[tuple[DepartmentLetters, ...], Wire("DEPARTMENT_STATISTICS")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatusStatistics(Result):
    """Letters and SMS of the requested origin and department.

    ``letter`` counts letters without a channel.
    """

    origin: Annotated[str | None, Wire("ORIGIN")] = None
    department: Annotated[str | None, Wire("DEPARTMENT")] = None
    snail_mail: Annotated[Counter | None, Wire("SNAIL_MAIL")] = None
    digital_mail: Annotated[Counter | None, Wire("DIGITAL_MAIL")] = None
    sms: Annotated[Counter | None, Wire("SMS")] = None
    letter: Annotated[Counter | None, Wire("LETTER")] = None


# -- the feed and webhooks ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent(Result):
    """Event of a delivery; ``position`` is an opaque position in the feed, usable as ``after``."""

    position: str
    delivery_id: str
    message_id: str
    batch_id: str
    message_type: str
    status: str
    lifecycle: str
    timestamp: datetime
    original_message_type: str | None = None
    reason: Reason | None = None
    reference: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage(Result):
    """Page of the event feed.

    ``next``: value of ``after`` for the next page. ``more``: whether it is available now.
    """

    events: tuple[FeedEvent, ...]
    next: str
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFault(Result):
    """Failed call of a webhook; ``status`` is None if there was no response."""

    at: datetime
    status: int | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookStop(Result):
    """Time and reason of disabling a webhook."""

    since: datetime
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Result):
    """Webhook for delivery events or inbound messages.

    ``events``: ``deliveries`` or ``inbound``. ``statuses``: reported lifecycles, empty for all.
    ``state``: ``enabled`` or ``disabled``. ``secret``: signing secret, returned only on creation.
    ``waiting``: number of events or messages not yet reported, for a single webhook;
    ``waiting_more``: there are more than were counted.
    """

    id: str
    url: str
    events: str | None = None
    statuses: tuple[str, ...] = ()
    description: str | None = None
    secret: str | None = None
    created: datetime | None = None
    state: str | None = None
    disabled: WebhookStop | None = None
    last_success: datetime | None = None
    last_fault: WebhookFault | None = None
    waiting: int | None = None
    waiting_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecret(Result):
    """New secret; until ``previous_until`` calls are also signed with the previous one."""

    id: str
    secret: str
    previous_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PingResult(Result):
    """Result of testing a webhook."""

    delivered: bool
    status: int | None = None
    reason: Reason | None = None
