"""Pages of Open-E cases and their messages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.mail_parser import AttachedFile
from utskick.sandbox.open_e import CaseMessage, parse_case_message
from utskick.sandbox.views.components import ROWS, FilePages, ItemKind
from utskick.sandbox.views.formatting import clock, day

_INSTANCES = {"INTERNAL": "intern e-tjänst", "EXTERNAL": "extern e-tjänst"}


class Cases(FilePages):
    """Pages below ``/cases``."""

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

    async def recipient_page(self, request: web.Request, entries: list[Received]) -> web.Response:
        rows = await asyncio.to_thread(lambda: [self._row(entry) for entry in entries[-ROWS:]])
        return self.context.layout.live_page(request, "case", rows=rows, **self.frame(entries))

    def _row(self, entry: Received) -> dict[str, Any]:
        message = parse_message(entry.raw)
        owner = message.as_owner if message else False
        return {
            "number": entry.number,
            "author": (message.user if message else entry.sender) or "(ingen användare)",
            "role": "ärendets ägare" if owner else "handläggare",
            "side": "owner" if owner else "administrator",
            "text": message.text if message else entry.text,
            "at": f"{day(entry.at)} {clock(entry.at)}",
            "instance": _INSTANCES.get(entry.subject or "", entry.subject or ""),
            "readable": message is not None,
            **self.files_members(entry, _files(message)),
        }

    async def files(self, entry: Received) -> Sequence[AttachedFile]:
        return _files(await asyncio.to_thread(parse_message, entry.raw))


def parse_message(raw: bytes) -> CaseMessage | None:
    """Parse a message; return None if it is malformed."""
    try:
        return parse_case_message(raw)
    except (
        ValueError,
        TypeError,
        AttributeError,
        # Malformed, such as with a comment among the elements.
    ):
        return None


def _files(message: CaseMessage | None) -> list[AttachedFile]:
    return [
        AttachedFile(name or f"bilaga-{n}", "", data)
        for n, (name, data) in enumerate(message.files if message else (), start=1)
    ]
