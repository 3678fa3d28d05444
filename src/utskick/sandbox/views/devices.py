"""Devices that push notifications reach: the lock screen of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.views.components import ROWS, ItemKind, Shelf
from utskick.sandbox.views.formatting import clock, day

_URGENCIES = {
    "very-low": "Mycket låg angelägenhet",
    "low": "Låg angelägenhet",
    "high": "Hög angelägenhet",
}


@dataclass(frozen=True, slots=True)
class ShownNotification:
    """What a device makes of a push. ``tag``: the next of the same takes its place (Notifications
    API section 2.5); ``topic``: its name."""

    title: str
    message: str
    url: str = ""
    tag: str = ""
    topic: str = ""
    urgency: str = ""


class Devices(Shelf):
    """``/devices``"""

    kind: ClassVar[ItemKind] = ItemKind(
        "push",
        "/devices",
        "Enheter",
        "enheter",
        "avisering",
        "aviseringar",
        "Ingen enhet har fått någon pushavisering än.",
    )

    async def somebody(self, request: web.Request, entries: list[Received]) -> web.Response:
        return self.desk.layout.living(
            request, "device", rows=lock_screen(entries)[:ROWS], **self.frame(entries)
        )


def lock_screen(entries: list[Received]) -> list[dict[str, Any]]:
    """The newest first, of each tag only the newest."""
    shown: dict[str, dict[str, Any]] = {}
    for entry in entries:
        notice = read(entry)
        place = notice.tag or str(entry.number)
        before = shown.pop(place, None)  # taken out and put in again: the newest is the last
        shown[place] = {
            "number": entry.number,
            "heading": notice.title or "(ingen rubrik)",
            "text": notice.message,
            "url": notice.url,
            "topic": notice.topic,
            "urgency": _URGENCIES.get(notice.urgency, ""),
            "sender": entry.sender,
            "at": f"{day(entry.at)} {clock(entry.at)}",
            "replaced": before["replaced"] + 1 if before else 0,
        }
    return list(reversed(shown.values()))


def read(entry: Received) -> ShownNotification:
    """A Web Push payload of ours, or a message of FCM's (v1, ``messages.send``); what it lacks, as
    the ledger has it."""
    try:
        payload = orjson.loads(entry.raw)
    except orjson.JSONDecodeError:
        payload = None
    told = _members(payload)
    said = _of_fcm(_members(told["message"])) if isinstance(told.get("message"), dict) else told
    tag = _text(said, "tag") or _text(said, "topic")
    return ShownNotification(
        _text(said, "title") or entry.subject or "",
        _text(said, "message") or entry.text,
        _text(said, "url"),
        tag,
        tag if tag != (entry.key or _text(said, "deliveryId")) else "",
        _text(said, "urgency"),
    )


def _of_fcm(message: dict[str, Any]) -> dict[str, Any]:
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
