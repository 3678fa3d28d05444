"""Cases in Open-E, and the messages that were written in them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.mail_parser import Enclosure
from utskick.sandbox.open_e import CaseMessage, open_case_message
from utskick.sandbox.views.components import ROWS, FiledShelf, ItemKind
from utskick.sandbox.views.formatting import clock, day

_INSTANCES = {"INTERNAL": "intern e-tjänst", "EXTERNAL": "extern e-tjänst"}


class Cases(FiledShelf):
    """``/cases``"""

    kind: ClassVar[ItemKind] = ItemKind(
        "web_message",
        "/cases",
        "Ärenden",
        "ärenden",
        "meddelande",
        "meddelanden",
        "I inget ärende har någon skrivit än.",
    )

    def label(self, recipient: str) -> str:
        return f"Ärende {recipient}"

    async def somebody(self, request: web.Request, entries: list[Received]) -> web.Response:
        rows = await asyncio.to_thread(lambda: [self._row(entry) for entry in entries[-ROWS:]])
        return self.desk.layout.living(request, "case", rows=rows, **self.frame(entries))

    def _row(self, entry: Received) -> dict[str, Any]:
        message = opened(entry.raw)
        owner = message.as_owner if message else False
        return {
            "number": entry.number,
            "author": (message.user if message else entry.sender) or "(ingen användare)",
            "role": "ärendets ägare" if owner else "handläggare",
            "side": "owner" if owner else "administrator",
            "text": message.text if message else entry.text,
            "at": f"{day(entry.at)} {clock(entry.at)}",
            "instance": _INSTANCES.get(entry.subject or "", entry.subject or ""),
            "legible": message is not None,
            **self.described(entry, _files(message)),
        }

    async def files(self, entry: Received) -> Sequence[Enclosure]:
        return _files(await asyncio.to_thread(opened, entry.raw))


def opened(raw: bytes) -> CaseMessage | None:
    """None for what is no message in a case."""
    try:
        return open_case_message(raw)
    except (
        ValueError,
        TypeError,
        AttributeError,
    ):  # a comment among the elements, of which Open-E's schema knows nothing
        return None


def _files(message: CaseMessage | None) -> list[Enclosure]:
    return [
        Enclosure(name or f"bilaga-{n}", "", data)
        for n, (name, data) in enumerate(message.files if message else (), start=1)
    ]
