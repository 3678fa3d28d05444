"""Pages of digital mailboxes (Mina Meddelanden) and their letters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from aiohttp import web

from utskick.sandbox.digital_mail.citizens import OPERATORS
from utskick.sandbox.digital_mail.parser import parse_digital_letter
from utskick.sandbox.ledger import Received
from utskick.sandbox.mail_parser import AttachedFile
from utskick.sandbox.views.components import ROWS, ItemKind, ItemPages
from utskick.sandbox.views.formatting import excerpt, legal_id, moment
from utskick.sandbox.views.layout import sandboxed_html


class Mailboxes(ItemPages):
    """Pages below ``/mailboxes``."""

    kind: ClassVar[ItemKind] = ItemKind(
        "digital_mail",
        "/mailboxes",
        "Digitala brevlådor",
        "digitala brevlådor",
        "meddelande",
        "meddelanden",
        "Ingen digital brevlåda har fått något än.",
    )

    def label(self, recipient: str) -> str:
        return legal_id(recipient)

    async def recipient_page(self, request: web.Request, entries: list[Received]) -> web.Response:
        rows = [
            {
                "sender": e.sender,
                "subject": e.subject or "(inget ämne)",
                "excerpt": "",
                "at": moment(e.at),
                "note": operator(e),
            }
            | {"link": self.link(e)}
            for e in reversed(entries[-ROWS:])
        ]
        return self.context.layout.live_page(request, "inbox", rows=rows, **self.frame(entries))

    async def item_page(self, request: web.Request, entry: Received) -> web.Response:
        letter = await asyncio.to_thread(parse_digital_letter, entry.raw)
        support = letter.support
        return self.context.layout.page(
            request,
            "digital_letter",
            title=letter.subject or entry.subject or "(inget ämne)",
            href=self.link(entry).rpartition("/")[0],
            entry=entry.number,
            owner=self.label(entry.recipient),
            operator=operator(entry),
            sender=letter.sender or entry.sender,
            organization=legal_id(letter.organization),
            attention=letter.attention,
            reference=letter.reference,
            at=moment(entry.at),
            readable=letter.readable,
            html=letter.html,
            frame=sandboxed_html(letter.body),
            text=letter.body if letter.readable else entry.text,
            supported=any((support.text, support.url, support.phone, support.email)),
            help=support.text,
            url=support.url,
            phone=support.phone,
            email=support.email,
            **self.files_members(entry, letter.files),
        )

    async def files(self, entry: Received) -> Sequence[AttachedFile]:
        return (await asyncio.to_thread(parse_digital_letter, entry.raw)).files


def operator(entry: Received) -> str:
    """Return the name of the mailbox operator."""
    known = OPERATORS.get(entry.provider)
    return known.name if known else excerpt(entry.provider)
