"""What a municipality has sent, seen from the side: by user, in numbers, as a feed; and the
webhooks that tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from utskick_client.results import Reason
from utskick_client.wire import Result, Wire

# -- a user's ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging(Result):
    """Which page this is, and of how many."""

    page: int
    limit: int
    count: int
    total_records: int
    total_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserBatchStatus(Result):
    """Messages with a delivery that was sent, without one, and those that are still on their
    way."""

    successful: int
    unsuccessful: int
    pending: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserBatch(Result):
    """A batch that somebody sent."""

    batch_id: str
    message_type: str | None = None
    subject: str | None = None
    sent: datetime | None = None
    attachment_count: int = 0
    recipient_count: int = 0
    status: UserBatchStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserBatches(Result):
    """A page of them, newest first."""

    batches: tuple[UserBatch, ...]
    paging: Annotated[Paging, Wire("_meta")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOfRecipient(Result):
    """Where a letter went."""

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
    """Who got a message, and by which way."""

    status: str
    message_type: str
    address: PlaceOfRecipient | None = None
    mobile_number: str | None = None
    person_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAttachment(Result):
    """A file of a message."""

    file_name: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage(Result):
    """A message that somebody sent. ``erased``: the key of its month was destroyed; nothing of its
    content is there."""

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
    """A page of them."""

    messages: tuple[UserMessage, ...]
    paging: Annotated[Paging, Wire("_meta")]


# -- in numbers ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(Result):
    """Deliveries of one type."""

    sent: int = 0
    failed: int = 0
    not_sent: int = 0
    pending: int = 0
    awaiting_feedback: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatistics(Result):
    """Messages that went by the ways that people have chosen. ``undeliverable``: by none."""

    email: Annotated[Counter | None, Wire("EMAIL")] = None
    sms: Annotated[Counter | None, Wire("SMS")] = None
    push: Annotated[Counter | None, Wire("PUSH")] = None
    undeliverable: Annotated[int, Wire("UNDELIVERABLE")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterStatistics(Result):
    """Letters, by the way that they went. ``undeliverable``: by none."""

    snail_mail: Annotated[Counter | None, Wire("SNAIL_MAIL")] = None
    digital_mail: Annotated[Counter | None, Wire("DIGITAL_MAIL")] = None
    undeliverable: Annotated[int, Wire("UNDELIVERABLE")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics(Result):
    """Deliveries by type; None: there were none."""

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
    """The letters of one department. ``letter``: those that could go by no way."""

    department: Annotated[str, Wire("DEPARTMENT")]
    snail_mail: Annotated[Counter | None, Wire("SNAIL_MAIL")] = None
    digital_mail: Annotated[Counter | None, Wire("DIGITAL_MAIL")] = None
    letter: Annotated[Counter | None, Wire("LETTER")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentStatistics(Result):
    """The letters of a system's departments."""

    origin: Annotated[str, Wire("ORIGIN")]
    departments: Annotated[tuple[DepartmentLetters, ...], Wire("DEPARTMENT_STATISTICS")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatusStatistics(Result):
    """Letters and SMS; origin and department as they were asked for. ``letter``: those that could
    go by no way."""

    origin: Annotated[str | None, Wire("ORIGIN")] = None
    department: Annotated[str | None, Wire("DEPARTMENT")] = None
    snail_mail: Annotated[Counter | None, Wire("SNAIL_MAIL")] = None
    digital_mail: Annotated[Counter | None, Wire("DIGITAL_MAIL")] = None
    sms: Annotated[Counter | None, Wire("SMS")] = None
    letter: Annotated[Counter | None, Wire("LETTER")] = None


# -- the feed and webhooks ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent(Result):
    """Something that happened to a delivery. ``position``: where it stands in the feed; opaque, and
    may be given as ``after``."""

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
    """``next``: what to give as ``after`` the next time. ``more``: the next page can be had at
    once."""

    events: tuple[FeedEvent, ...]
    next: str
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFault(Result):
    """A call of the service that went wrong. ``status``: what was answered, None where nothing
    was."""

    at: datetime
    status: int | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookStop(Result):
    """Since when a webhook is not called any more, and why."""

    since: datetime
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Result):
    """An address that is told of deliveries. ``statuses``: of which lifecycles, empty: of all.
    ``state``: ``enabled`` or ``disabled``.

    ``secret``: told once, when it is made; the signatures are made with it. ``waiting``: events
    that it has not been told, where one webhook was asked for; ``waiting_more``: there are more
    than were counted.
    """

    id: str
    url: str
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
    """A new secret. ``previous_until``: so long calls are signed with the one before, too."""

    id: str
    secret: str
    previous_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PingResult(Result):
    """What came of a call to try a webhook."""

    delivered: bool
    status: int | None = None
    reason: Reason | None = None
