"""Requests and answers of the calls about webhooks, for reading and for the API's own
description."""

from __future__ import annotations

from typing import Annotated, Any, Final

from utskick.domain.request_parts import size_up_to
from utskick.domain.status import Status
from utskick.domain.validators import CLEAN, NOT_BLANK, UTF8, Body, Constraint, NotEmpty
from utskick.http.events.feed_schemas import LIFECYCLES
from utskick.store.events.webhooks import WebhookDefinition

_WORDS: Final = tuple(status.value for status in LIFECYCLES)
_TEXT: Final = {"type": "string"}
_UUID: Final = {"type": "string", "format": "uuid"}
_TIME: Final = {"type": "string", "format": "date-time"}

Lifecycle = Annotated[
    str,
    Constraint(
        ((f"must be one of {', '.join(_WORDS)}", lambda v: v in _WORDS),),
        schema=(("enum", _WORDS),),
    ),
]
_SHORT: Final = size_up_to(255)


class WebhookRequest(Body):
    """Who is to be called, and of what. ``statuses``: absent for all."""

    url: Annotated[
        str,
        Constraint(
            (NOT_BLANK, UTF8),
            "must not be blank",
            (("format", "uri"), ("minLength", 1), ("maxLength", 2048)),
        ),
    ]
    statuses: Annotated[tuple[Lifecycle, ...], NotEmpty] | None = None
    description: (
        Annotated[str, Constraint((CLEAN, UTF8, _SHORT), schema=(("maxLength", 255),))] | None
    ) = None

    def wanted(self) -> WebhookDefinition:
        return WebhookDefinition(
            self.url,
            tuple(dict.fromkeys(Status(word) for word in self.statuses or ())),
            self.description,
        )


def _shape(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_WEBHOOK: Final[dict[str, Any]] = {
    "id": _UUID,
    "url": _TEXT,
    "statuses": {
        "type": "array",
        "items": {"type": "string", "enum": _WORDS},
        "description": "Absent: all",
    },
    "description": _TEXT,
    "created": _TIME,
    "state": {"type": "string", "enum": ["enabled", "disabled"]},
    "disabled": _shape(since=_TIME, reason={"$ref": "#/components/schemas/Reason"}),
    "lastSuccess": _TIME,
    "lastFault": _shape(
        at=_TIME, status={"type": "integer"}, reason={"$ref": "#/components/schemas/Reason"}
    ),
}
_SECRET: Final = {"type": "string", "description": "Shown only here", "example": "whsec_…"}

SHAPES: Final[dict[str, Any]] = {
    "Webhook": _shape(
        **_WEBHOOK,
        waiting={"type": "integer", "description": "Events that it has not been told"},
        waitingMore={"type": "boolean", "description": "There are more than were counted"},
    ),
    "ListedWebhook": _shape(**_WEBHOOK),
    "NewWebhook": _shape(**_WEBHOOK, secret=_SECRET),
    "WebhookSecret": _shape(
        id=_UUID,
        secret=_SECRET,
        previousUntil={
            **_TIME,
            "description": "Until then calls are signed with the secret before, too",
        },
    ),
    "PingResult": _shape(
        delivered={"type": "boolean"},
        status={
            "type": "integer",
            "description": "Of the receiver's answer; absent where none came",
        },
        reason={"$ref": "#/components/schemas/Reason"},
    ),
}
