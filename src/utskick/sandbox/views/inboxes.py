"""Pages of e-mail inboxes and messages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.mail_parser import AttachedFile, parse_mail
from utskick.sandbox.views.components import ROWS, ItemKind, ItemPages
from utskick.sandbox.views.formatting import excerpt, mail_date, moment
from utskick.sandbox.views.layout import HEADERS, sandboxed_html


class Inboxes(ItemPages):
    """Pages below ``/inboxes``."""

    kind: ClassVar[ItemKind] = ItemKind(
        "email",
        "/inboxes",
        "Inkorgar",
        "inkorgar",
        "brev",
        "brev",
        "Ingen inkorg har fått något brev än.",
    )

    def routes(self) -> list[web.RouteDef]:
        return [
            *super().routes(),
            web.get(r"/inboxes/{who:[^/]+}/{number:\d{1,15}}/source", self.with_entry(self.source)),
        ]

    async def recipient_page(self, request: web.Request, entries: list[Received]) -> web.Response:
        rows = [
            {
                "sender": e.sender,
                "subject": e.subject or "(inget ämne)",
                "excerpt": excerpt(e.text),
                "at": moment(e.at),
                "note": "",
            }
            | {"link": self.link(e)}
            for e in reversed(entries[-ROWS:])
        ]
        return self.context.layout.live_page(request, "inbox", rows=rows, **self.frame(entries))

    def empty_page(self, request: web.Request, who: str) -> web.Response:
        return self.context.layout.missing_page(
            request, "Tom inkorg", f"{who} har inte fått någon e-post än."
        )

    async def item_page(self, request: web.Request, entry: Received) -> web.Response:
        mail = await asyncio.to_thread(parse_mail, entry.raw)
        return self.context.layout.page(
            request,
            "mail",
            title=mail.subject or entry.subject or "(inget ämne)",
            href=self.link(entry).rpartition("/")[0],
            link=self.link(entry),
            entry=entry.number,
            address=entry.recipient,
            sender=mail.sender or entry.sender,
            to=mail.to or entry.recipient,
            date=mail_date(mail.date),
            at=moment(entry.at),
            html=mail.html is not None,
            frame=sandboxed_html(mail.html or ""),
            plain=mail.text is not None,
            text=mail.text or "",
            readable=mail.readable,
            **self.files_members(entry, mail.files),
        )

    async def files(self, entry: Received) -> Sequence[AttachedFile]:
        return (await asyncio.to_thread(parse_mail, entry.raw)).files

    async def source(self, _request: web.Request, entry: Received) -> web.Response:
        source = entry.raw.decode("utf-8", "replace").encode()
        return web.Response(
            body=source, content_type="text/plain", charset="utf-8", headers=HEADERS
        )
