"""Push notification: content, urgency and time to live, with its encoded size limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.domain.errors import Violation

#: RFC 8030 section 7.2 (4 096 bytes) less the header (86), tag (16) and delimiter (1) of the
#: encryption (RFC 8291 section 4).
WEB_PUSH_LIMIT: Final = 3_993
#: FCM and Apple accept 4 096 bytes including their own additions to title, text and data as JSON.
FCM_LIMIT: Final = 4_000
_NO_KEY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Notification:
    """Provider-neutral notification.

    ``ttl``: seconds that a push service stores it for an unreachable device. ``urgency``: word of
    RFC 8030 section 5.3. ``key``: the delivery's id.
    """

    title: str
    message: str
    url: str | None
    topic: str | None
    urgency: str
    ttl: int
    key: UUID

    @property
    def tag(self) -> str:
        """Tag by which a device replaces duplicates: the topic, else the delivery's id."""
        return self.topic or str(self.key)

    def encode(self) -> bytes:
        """Encode the JSON for a service worker: title, message, tag, deliveryId, optionally url."""
        members = {
            "title": self.title,
            "message": self.message,
            "tag": self.tag,
            "deliveryId": str(self.key),
        }
        return orjson.dumps({**members, "url": self.url} if self.url else members)

    def data(self) -> dict[str, str]:
        """Return the data that an app receives beside title and text."""
        members = {"deliveryId": str(self.key), "tag": self.tag}
        return {**members, "url": self.url} if self.url else members


def read(content: Mapping[str, Any], key: UUID, ttl: int, now: datetime) -> Notification:
    """Build the notification from a draft's content.

    ``ttl``: default in seconds where the content has neither ``ttl`` nor ``_ttl``. The time to live
    is cut to the message's validity.
    """
    seconds = content.get("ttl", content.get("_ttl", ttl))
    if (until := content.get("_until")) is not None:
        seconds = max(0, min(seconds, int((datetime.fromisoformat(until) - now).total_seconds())))
    urgency = content.get("urgency") or ("high" if content.get("priority") == "HIGH" else "normal")
    return Notification(
        content["title"],
        content["message"],
        content.get("url"),
        content.get("topic"),
        urgency,
        seconds,
        key,
    )


def faults(content: Mapping[str, Any]) -> list[Violation]:
    """Check the encoded size against the smallest limit of the push services.

    Which services the party's devices use is not yet known.
    """
    notification = Notification(
        content["title"],
        content["message"],
        content.get("url"),
        content.get("topic"),
        "normal",
        0,
        _NO_KEY,
    )
    fcm_members = {
        "notification": {"title": notification.title, "body": notification.message},
        "data": notification.data(),
    }
    sizes = (
        (len(notification.encode()), WEB_PUSH_LIMIT),
        (len(orjson.dumps(fcm_members)), FCM_LIMIT),
    )
    exceeded = next(((size, limit) for size, limit in sizes if size > limit), None)
    if exceeded is None:
        return []
    return [
        Violation(
            "message",
            f"the encoded notification would be {exceeded[0]} bytes; the limit is {exceeded[1]}",
        )
    ]
