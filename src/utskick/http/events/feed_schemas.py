"""Shapes of the feed's answers, for the API's own description."""

from __future__ import annotations

from typing import Any, Final

from utskick.domain.status import Status
from utskick.http.messages.schemas import LOCAL_TIME

_TEXT: Final = {"type": "string"}
_UUID: Final = {"type": "string", "format": "uuid"}

#: What the feed can tell of: no event is an attempt under way, or a question whose answers are
#: deliveries of their own.
LIFECYCLES: Final = tuple(
    status for status in Status if status not in (Status.SENDING, Status.ROUTED)
)

SHAPES: Final[dict[str, Any]] = {
    "FeedEvent": {
        "type": "object",
        "properties": {
            "position": {"type": "string", "description": "Where it stands in the feed; opaque"},
            "deliveryId": _UUID,
            "messageId": _UUID,
            "batchId": _UUID,
            "messageType": {"$ref": "#/components/schemas/MessageType"},
            "originalMessageType": {"$ref": "#/components/schemas/MessageType"},
            "status": {"$ref": "#/components/schemas/MessageStatus"},
            "lifecycle": {"type": "string", "enum": [status.value for status in LIFECYCLES]},
            "reason": {"$ref": "#/components/schemas/Reason"},
            "reference": _TEXT,
            "origin": _TEXT,
            "timestamp": LOCAL_TIME,
        },
    },
    "EventPage": {
        "type": "object",
        "properties": {
            "events": {"type": "array", "items": {"$ref": "#/components/schemas/FeedEvent"}},
            "next": {
                "type": "string",
                "description": "What to give as `after` in the next call; opaque",
            },
            "more": {
                "type": "boolean",
                "description": "Ask again at once: there may be more, behind an empty answer, too",
            },
        },
    },
}
