"""Pages of phones and their text messages."""

from __future__ import annotations

from typing import Any, ClassVar

from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.views.components import ROWS, ItemKind, RecipientPages
from utskick.sandbox.views.formatting import clock, day


class Phones(RecipientPages):
    """Pages below ``/phones``."""

    kind: ClassVar[ItemKind] = ItemKind(
        "sms",
        "/phones",
        "Telefoner",
        "telefoner",
        "sms",
        "sms",
        "Ingen telefon har fått något sms än.",
    )

    async def recipient_page(self, request: web.Request, entries: list[Received]) -> web.Response:
        return self.context.layout.live_page(
            request, "phone", bubbles=bubbles(entries[-ROWS:]), **self.frame(entries)
        )

    def empty_page(self, request: web.Request, who: str) -> web.Response:
        sentence = f"{who} har inte fått något sms än. Skriv numret som +46700000001."
        return self.context.layout.missing_page(request, "Tyst telefon", sentence)


def bubbles(entries: list[Received]) -> list[dict[str, Any]]:
    """Return the messages; day and sender are set where they change."""
    bubbles_so_far: list[dict[str, Any]] = []
    last = sender = ""
    for entry in entries:
        today = day(entry.at)
        new = today != last
        bubbles_so_far.append(
            {
                "day": today if new else "",
                "sender": entry.sender if new or entry.sender != sender else "",
            }
        )
        bubbles_so_far[-1] |= {"text": entry.text, "time": clock(entry.at), "number": entry.number}
        last, sender = today, entry.sender
    return bubbles_so_far
