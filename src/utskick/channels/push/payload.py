"""One notification: what the device is told, for how long and how urgently, and how large that is
on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.domain.errors import Violation

#: RFC 8030 section 7.2 (4 096 bytes) less header (86), tag (16) and delimiter (1) of the encryption
#: (RFC 8291 section 4).
WEB_PUSH_LIMIT: Final = 3_993
#: FCM and, behind it, Apple take 4 096 bytes, with what they add of their own to title, text and
#: data as JSON.
FCM_LIMIT: Final = 4_000
_NO_KEY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Notification:
    """``ttl`` in seconds: how long a push service keeps it for a device that is away. ``urgency``
    in the words of RFC 8030 section 5.3."""

    title: str
    message: str
    url: str | None
    topic: str | None
    urgency: str
    ttl: int
    key: UUID

    @property
    def tag(self) -> str:
        """By which a device knows it again and shows one only: the topic, else this very
        delivery."""
        return self.topic or str(self.key)

    def shown(self) -> bytes:
        """What a service worker gets: JSON with title, message, tag, deliveryId and, where there is
        one, url."""
        said = {
            "title": self.title,
            "message": self.message,
            "tag": self.tag,
            "deliveryId": str(self.key),
        }
        return orjson.dumps({**said, "url": self.url} if self.url else said)

    def data(self) -> dict[str, str]:
        """What an app gets beside title and text."""
        said = {"deliveryId": str(self.key), "tag": self.tag}
        return {**said, "url": self.url} if self.url else said


def read(content: Mapping[str, Any], key: UUID, ttl: int, now: datetime) -> Notification:
    """``ttl``: of those that name none and were not completed (``_ttl``). Nothing is kept beyond
    the time until which it is valid."""
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
    """Too much for the smallest of the push services: which ones a party's devices belong to is not
    known before."""
    notification = Notification(
        content["title"],
        content["message"],
        content.get("url"),
        content.get("topic"),
        "normal",
        0,
        _NO_KEY,
    )
    told = {
        "notification": {"title": notification.title, "body": notification.message},
        "data": notification.data(),
    }
    sizes = ((len(notification.shown()), WEB_PUSH_LIMIT), (len(orjson.dumps(told)), FCM_LIMIT))
    over = next(((size, limit) for size, limit in sizes if size > limit), None)
    if over is None:
        return []
    return [
        Violation(
            "message",
            f"the notification would be {over[0]} bytes when encoded; at most {over[1]} are carried",
        )
    ]
