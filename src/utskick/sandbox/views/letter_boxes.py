"""Pages of letter boxes: the printed letters, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.mail_parser import AttachedFile
from utskick.sandbox.print_house.batches import first_file_name
from utskick.sandbox.print_house.pdf_pages import is_pdf
from utskick.sandbox.views.components import ROWS, ItemKind, ItemPages, file_members
from utskick.sandbox.views.formatting import day, moment
from utskick.sandbox.views.layout import path_segment

#: Recipient of a letter whose address is only in the PDF.
_IN_THE_WINDOW = "(in the window)"


class LetterBoxes(ItemPages):
    """Pages below ``/letters``."""

    kind: ClassVar[ItemKind] = ItemKind(
        "snail_mail",
        "/letters",
        "Pappersbrev",
        "brevlådor",
        "brev",
        "brev",
        "Ingen har fått något pappersbrev än.",
    )

    def label(self, recipient: str) -> str:
        return "(adressen står i kuvertets fönster)" if recipient == _IN_THE_WINDOW else recipient

    async def recipient_page(self, request: web.Request, entries: list[Received]) -> web.Response:
        rows = [
            {
                "sender": e.sender or "(ingen avdelning)",
                "day": day(e.at),
                "link": self.link(e),
                "text": e.text,
                "picture": is_pdf(e.raw),
            }
            | {"number": e.number}
            for e in reversed(entries[-ROWS:])
        ]
        return self.context.layout.live_page(
            request, "letter_box", rows=rows, lines=self._lines(entries[0]), **self.frame(entries)
        )

    async def item_page(self, request: web.Request, entry: Received) -> web.Response:
        files = await self.files(entry)
        return self.context.layout.page(
            request,
            "paper_letter",
            title=self._lines(entry)[0]["line"],
            href=self.link(entry).rpartition("/")[0],
            entry=entry.number,
            lines=self._lines(entry)[1:],
            addressed=len(self._lines(entry)) > 1,
            sender=entry.sender or "(ingen avdelning)",
            at=moment(entry.at),
            batch=entry.reference or "",
            batch_link=f"/print/{path_segment(entry.reference or '')}",
            sheets=[
                await self._sheet(entry, file, number) for number, file in enumerate(files, start=1)
            ],
        )

    async def _sheet(self, entry: Received, file: AttachedFile, number: int) -> dict[str, Any]:
        """Return a file with its rendered pages, and the number of pages not rendered."""
        rendered = await self.context.pdf_renderer.of(file.data)
        href = f"{self.link(entry)}/files/{number}"
        pages = [
            {"page": n, "src": f"{href}/page{'' if n == 1 else f'-{n}'}.png"}
            for n in range(1, len(rendered.pages) + 1)
        ]
        return {
            **file_members(file, href),
            "pages": pages,
            "hidden": rendered.total - len(pages),
            "blank": not pages,
        }

    async def files(self, entry: Received) -> Sequence[AttachedFile]:
        return await asyncio.to_thread(self.context.batches.letter, entry)

    async def file(self, entry: Received, index: int) -> AttachedFile | None:
        if (
            index == 1 and entry.raw
            # Requested for every row of a list, and available in the ledger.
        ):
            return AttachedFile(first_file_name(entry), "application/pdf", entry.raw)
        return await super().file(entry, index)

    def _lines(self, entry: Received) -> list[dict[str, str]]:
        return [{"line": line} for line in self.label(entry.recipient).split(", ")]
