"""Request and response models of webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from utskick.domain.request_parts import size_up_to
from utskick.domain.status import Status
from utskick.domain.validators import (
    CLEAN,
    NOT_BLANK,
    UTF8,
    Body,
    Constraint,
    NotEmpty,
    broken,
)
from utskick.domain.webhook import WebhookKind
from utskick.http.events.feed_schemas import LIFECYCLES, EventStatus
from utskick.http.messages.schemas import Reason
from utskick.http.operation.schemas import Response, member
from utskick.store.events.webhooks import WebhookDefinition

_WORDS: Final = tuple(status.value for status in LIFECYCLES)

Lifecycle = Annotated[
    str,
    Constraint(
        ((f"must be one of {', '.join(_WORDS)}", lambda v: v in _WORDS),),
        schema=(("enum", _WORDS),),
    ),
]
_KINDS: Final = tuple(kind.value for kind in WebhookKind)
WebhookEvents = Annotated[
    str,
    Constraint(
        ((f"must be one of {', '.join(_KINDS)}", lambda v: v in _KINDS),),
        schema=(("enum", _KINDS),),
    ),
]
_SHORT: Final = size_up_to(255)


class WebhookRequest(Body):
    """Who is to be called, and of what. ``statuses``: of deliveries only; absent for all."""

    url: Annotated[
        str,
        Constraint(
            (NOT_BLANK, UTF8),
            "must not be blank",
            (("format", "uri"), ("minLength", 1), ("maxLength", 2048)),
        ),
    ] = Field(
        description="URL to call, public and with https",
        examples=["https://receiver.example.se/utskick"],
    )
    events: WebhookEvents | None = Field(
        default=None,
        description="What to receive: `deliveries`, the status changes of the calling system's "
        "deliveries (default), or `inbound`, all inbound messages of the municipality",
    )
    statuses: Annotated[tuple[Lifecycle, ...], NotEmpty] | None = Field(
        default=None, description="Life-cycle statuses of deliveries to receive; absent: all"
    )
    description: (
        Annotated[str, Constraint((CLEAN, UTF8, _SHORT), schema=(("maxLength", 255),))] | None
    ) = Field(
        default=None, description="Description by the calling system", examples=["Ärendesystemet"]
    )

    @field_validator("statuses")
    @classmethod
    def _of_deliveries(
        cls, value: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        if value is not None and info.data.get("events") == WebhookKind.INBOUND:
            raise broken("must be absent where events is inbound")
        return value

    @property
    def kind(self) -> WebhookKind:
        return WebhookKind(self.events or WebhookKind.DELIVERIES)

    def wanted(self) -> WebhookDefinition:
        return WebhookDefinition(
            self.url,
            tuple(dict.fromkeys(Status(word) for word in self.statuses or ())),
            self.description,
            self.kind,
        )


class WebhookFault(Response):
    """A failed call."""

    at: datetime | None = member("When it was made")
    status: int | None = member("HTTP status of the receiver; absent where there was no response")
    reason: Reason | None = member("Reason of the failure")


class WebhookStop(Response):
    """Since when a webhook is disabled, and why."""

    since: datetime | None = member("When it was disabled")
    reason: Reason | None = member("Why it was disabled")


class ListedWebhook(Response):
    """A webhook with its state."""

    id: UUID | None = member("Id", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87")
    url: str | None = member("URL that is called", "https://receiver.example.se/utskick")
    events: Literal["deliveries", "inbound"] | None = member(
        "What it receives: status changes of deliveries, or inbound messages", "deliveries"
    )
    statuses: list[EventStatus] | None = member("Life-cycle statuses that it receives; absent: all")
    description: str | None = member("Description by the calling system", "Ärendesystemet")
    created: datetime | None = member("When it was created", "2026-02-25T15:54:39.254123+01:00")
    state: Literal["enabled", "disabled"] | None = member(
        "Whether events are sent to it", "enabled"
    )
    disabled: WebhookStop | None = member("Since when it is disabled, and why")
    last_success: datetime | None = member(
        "Time of the last accepted call", "2026-02-25T15:54:39.254123+01:00"
    )
    last_fault: WebhookFault | None = member("The last failed call")


class Webhook(ListedWebhook):
    """A webhook with its state and how much waits to be sent."""

    waiting: int | None = member("Number of events or inbound messages that wait to be sent")
    waiting_more: bool | None = member("`true`: there are more than were counted")


class NewWebhook(ListedWebhook):
    """A new webhook with the secret that signs its calls."""

    secret: str | None = member("Returned only here", "whsec_…")


class WebhookSecret(Response):
    """The new secret of a webhook."""

    id: UUID | None = member("Id", "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87")
    secret: str | None = member("Returned only here", "whsec_…")
    previous_until: datetime | None = member(
        "Until then calls are also signed with the previous secret"
    )


class PingResult(Response):
    """Result of a test call."""

    delivered: bool | None = member("Whether the receiver accepted it", True)
    status: int | None = member(
        "HTTP status of the receiver; absent where there was no response", 200
    )
    reason: Reason | None = member("Reason of the status")
