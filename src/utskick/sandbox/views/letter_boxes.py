"""Letter boxes: what the printing house put into envelopes, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from utskick.sandbox.ledger import Received
from utskick.sandbox.mail_parser import Enclosure
from utskick.sandbox.print_house.batches import first_name
from utskick.sandbox.print_house.pdf_pages import is_pdf
from utskick.sandbox.views.components import ROWS, ItemKind, OpenShelf, tile
from utskick.sandbox.views.formatting import day, moment
from utskick.sandbox.views.layout import segment

#: What the printing house calls an address that only the PDF has.
_IN_THE_WINDOW = "(in the window)"


class LetterBoxes(OpenShelf):
    """``/letters``"""

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

    async def somebody(self, request: web.Request, entries: list[Received]) -> web.Response:
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
        return self.desk.layout.living(
            request, "letter_box", rows=rows, lines=self._lines(entries[0]), **self.frame(entries)
        )

    async def opened(self, request: web.Request, entry: Received) -> web.Response:
        files = await self.files(entry)
        return self.desk.layout.page(
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
            batch_link=f"/print/{segment(entry.reference or '')}",
            sheets=[
                await self._sheet(entry, file, number) for number, file in enumerate(files, start=1)
            ],
        )

    async def _sheet(self, entry: Received, file: Enclosure, number: int) -> dict[str, Any]:
        """A file with its pages; how many there are beyond those that are drawn."""
        drawn = await self.desk.pictures.of(file.data)
        href = f"{self.link(entry)}/files/{number}"
        pages = [
            {"page": n, "src": f"{href}/page{'' if n == 1 else f'-{n}'}.png"}
            for n in range(1, len(drawn.pages) + 1)
        ]
        return {
            **tile(file, href),
            "pages": pages,
            "hidden": drawn.total - len(pages),
            "blank": not pages,
        }

    async def files(self, entry: Received) -> Sequence[Enclosure]:
        return await asyncio.to_thread(self.desk.batches.letter, entry)

    async def file(self, entry: Received, index: int) -> Enclosure | None:
        if (
            index == 1 and entry.raw
        ):  # as often asked for as a list is looked at, and the ledger has it
            return Enclosure(first_name(entry), "application/pdf", entry.raw)
        return await super().file(entry, index)

    def _lines(self, entry: Received) -> list[dict[str, str]]:
        return [{"line": line} for line in self.label(entry.recipient).split(", ")]
