"""Devices that push notifications reach: the lock screen of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import orjson
from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.views.shelf import ROWS, Kind, Shelf
from utskick.sandbox.views.wording import clock, day

_URGENCIES = {"very-low": "Mycket låg angelägenhet", "low": "Låg angelägenhet", "high": "Hög angelägenhet"}


@dataclass(frozen=True, slots=True)
class Notification:
    """The decrypted payload; ``topic``: the next of the same replaces it (RFC 8030 section 5.4)."""

    title: str
    message: str
    url: str = ""
    topic: str = ""
    urgency: str = ""


class Devices(Shelf):
    """``/devices``"""

    kind: ClassVar[Kind] = Kind(
        "push", "/devices", "Enheter", "enheter", "avisering", "aviseringar", "Ingen enhet har fått någon pushavisering än."
    )

    async def somebody(self, request: web.Request, entries: list[Received]) -> web.Response:
        return self.desk.layout.living(request, "device", rows=lock_screen(entries)[:ROWS], **self.frame(entries))


def lock_screen(entries: list[Received]) -> list[dict[str, Any]]:
    """The newest first, of each topic only the newest."""
    shown: dict[str, dict[str, Any]] = {}
    for entry in entries:
        notice = read(entry)
        key = f"topic {notice.topic}" if notice.topic else f"entry {entry.number}"
        before = shown.pop(key, None)  # taken out and put in again: the newest is the last
        shown[key] = {
            "number": entry.number, "heading": notice.title or "(ingen rubrik)", "text": notice.message, "url": notice.url,
            "topic": notice.topic, "urgency": _URGENCIES.get(notice.urgency, ""), "sender": entry.sender,
            "at": f"{day(entry.at)} {clock(entry.at)}", "replaced": before["replaced"] + 1 if before else 0,
        }  # fmt: skip
    return list(reversed(shown.values()))


def read(entry: Received) -> Notification:
    """What the payload says; what it lacks, as the ledger has it."""
    try:
        payload = orjson.loads(entry.raw)
    except orjson.JSONDecodeError:
        payload = None
    members = payload if isinstance(payload, dict) else {}
    said = {name: value for name in ("title", "message", "url", "topic", "urgency") if isinstance(value := members.get(name), str)}
    return Notification(**({"title": entry.subject or "", "message": entry.text} | said))
