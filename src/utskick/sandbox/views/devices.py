"""Pages of devices and their push notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.views.components import ROWS, ItemKind, RecipientPages
from utskick.sandbox.views.formatting import clock, day

_URGENCIES = {
    "very-low": "Mycket låg angelägenhet",
    "low": "Låg angelägenhet",
    "high": "Hög angelägenhet",
}


@dataclass(frozen=True, slots=True)
class Notification:
    """Notification as displayed by a device.

    ``tag``: replaces an earlier one with the same tag (Notifications API section 2.5); ``topic``:
    the tag, if it was chosen by the sender.
    """

    title: str
    message: str
    url: str = ""
    tag: str = ""
    topic: str = ""
    urgency: str = ""


class Devices(RecipientPages):
    """Pages below ``/devices``."""

    kind: ClassVar[ItemKind] = ItemKind(
        "push",
        "/devices",
        "Enheter",
        "enheter",
        "avisering",
        "aviseringar",
        "Ingen enhet har fått någon pushavisering än.",
    )

    async def recipient_page(self, request: web.Request, entries: list[Received]) -> web.Response:
        return self.context.layout.live_page(
            request, "device", rows=lock_screen(entries)[:ROWS], **self.frame(entries)
        )


def lock_screen(entries: list[Received]) -> list[dict[str, Any]]:
    """Return the notifications, the newest first, only the newest of each tag."""
    visible: dict[str, dict[str, Any]] = {}
    for entry in entries:
        notification = parse_notification(entry)
        slot = notification.tag or str(entry.number)
        replaced = visible.pop(slot, None)  # reinserted, so that the newest is last
        visible[slot] = {
            "number": entry.number,
            "heading": notification.title or "(ingen rubrik)",
            "text": notification.message,
            "url": notification.url,
            "topic": notification.topic,
            "urgency": _URGENCIES.get(notification.urgency, ""),
            "sender": entry.sender,
            "at": f"{day(entry.at)} {clock(entry.at)}",
            "replaced": replaced["replaced"] + 1 if replaced else 0,
        }
    return list(reversed(visible.values()))


def parse_notification(entry: Received) -> Notification:
    """Parse a Web Push payload or an FCM message (v1, ``messages.send``).

    Missing members are taken from the ledger entry.
    """
    try:
        payload = orjson.loads(entry.raw)
    except orjson.JSONDecodeError:
        payload = None
    payload_members = _members(payload)
    members = (
        _from_fcm(_members(payload_members["message"]))
        if isinstance(payload_members.get("message"), dict)
        else payload_members
    )
    tag = _text(members, "tag") or _text(members, "topic")
    return Notification(
        _text(members, "title") or entry.subject or "",
        _text(members, "message") or entry.text,
        _text(members, "url"),
        tag,
        tag if tag != (entry.key or _text(members, "deliveryId")) else "",
        _text(members, "urgency"),
    )


def _from_fcm(message: dict[str, Any]) -> dict[str, Any]:
    android, notification = _members(message.get("android")), _members(message.get("notification"))
    data = _members(message.get("data"))
    return {
        **data,
        "title": notification.get("title"),
        "message": notification.get("body"),
        "tag": _members(android.get("notification")).get("tag") or data.get("tag"),
        "urgency": _members(_members(message.get("webpush")).get("headers")).get("Urgency"),
    }


def _members(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""
