"""Phones, and the text messages on them."""

from __future__ import annotations

from typing import Any, ClassVar

from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.views.components import ROWS, ItemKind, Shelf
from utskick.sandbox.views.formatting import clock, day


class Phones(Shelf):
    """``/phones``"""

    kind: ClassVar[ItemKind] = ItemKind(
        "sms",
        "/phones",
        "Telefoner",
        "telefoner",
        "sms",
        "sms",
        "Ingen telefon har fått något sms än.",
    )

    async def somebody(self, request: web.Request, entries: list[Received]) -> web.Response:
        return self.desk.layout.living(
            request, "phone", bubbles=bubbles(entries[-ROWS:]), **self.frame(entries)
        )

    def nobody(self, request: web.Request, who: str) -> web.Response:
        sentence = f"{who} har inte fått något sms än. Skriv numret som +46700000001."
        return self.desk.layout.absent(request, "Tyst telefon", sentence)


def bubbles(entries: list[Received]) -> list[dict[str, Any]]:
    """The day and the sender are said where they change."""
    said: list[dict[str, Any]] = []
    last = sender = ""
    for entry in entries:
        today = day(entry.at)
        new = today != last
        said.append(
            {
                "day": today if new else "",
                "sender": entry.sender if new or entry.sender != sender else "",
            }
        )
        said[-1] |= {"text": entry.text, "time": clock(entry.at), "number": entry.number}
        last, sender = today, entry.sender
    return said
