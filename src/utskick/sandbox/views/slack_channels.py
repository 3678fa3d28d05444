"""Pages of Slack channels and their messages."""

from __future__ import annotations

import re
from html import unescape
from typing import Any, ClassVar

from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.views.components import ROWS, ItemKind, RecipientPages
from utskick.sandbox.views.formatting import clock, day

_FENCE = re.compile(r"```\n?(.*?)\n?```", re.S)
#: The only three entities of mrkdwn.
_ENTITY = re.compile(r"&(?:amp|lt|gt);")


class SlackChannels(RecipientPages):
    """Pages below ``/channels``."""

    kind: ClassVar[ItemKind] = ItemKind(
        "slack",
        "/channels",
        "Slack",
        "Slackkanaler",
        "meddelande",
        "meddelanden",
        "I ingen kanal har något skrivits än.",
    )

    async def recipient_page(self, request: web.Request, entries: list[Received]) -> web.Response:
        rows: list[dict[str, Any]] = []
        last = ""
        for entry in entries[-ROWS:]:
            today = day(entry.at)
            rows.append(
                {
                    "day": today if today != last else "",
                    "sender": entry.sender,
                    "time": clock(entry.at),
                    "number": entry.number,
                }
            )
            rows[-1]["pieces"] = pieces(entry.text)
            last = today
        return self.context.layout.live_page(
            request, "slack_channel", rows=rows, **self.frame(entries)
        )


def pieces(text: str) -> list[dict[str, Any]]:
    """Split mrkdwn into text and code blocks."""
    with_entry = [
        (number % 2 == 1, _ENTITY.sub(lambda entity: unescape(entity[0]), piece))
        for number, piece in enumerate(_FENCE.split(text))
    ]
    return [
        {"code": code, "text": piece.strip("\n")} for code, piece in with_entry if piece.strip()
    ]
