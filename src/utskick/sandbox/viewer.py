"""Web viewer in Swedish of everything that citizens have received."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from utskick.sandbox.faults import Faults
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.print_house.batches import Batches
from utskick.sandbox.print_house.pdf_pages import PdfRenderer
from utskick.sandbox.summary import LedgerSummary
from utskick.sandbox.views import print_batches
from utskick.sandbox.views.cases import Cases
from utskick.sandbox.views.components import PageContext, RecipientPages
from utskick.sandbox.views.devices import Devices
from utskick.sandbox.views.formatting import excerpt, moment
from utskick.sandbox.views.inboxes import Inboxes
from utskick.sandbox.views.invoices import Invoices
from utskick.sandbox.views.layout import HEADERS, PageLayout
from utskick.sandbox.views.letter_boxes import LetterBoxes
from utskick.sandbox.views.mailboxes import Mailboxes
from utskick.sandbox.views.misbehaviour import misbehaviour
from utskick.sandbox.views.phones import Phones
from utskick.sandbox.views.print_batches import PrintBatchPages
from utskick.sandbox.views.slack_channels import SlackChannels

#: Number of entries, and of duplicates, on the overview.
LATEST: Final = 8

#: In the order of tabs and cards.
PAGES: Final[tuple[type[RecipientPages], ...]] = (
    Phones,
    Inboxes,
    Mailboxes,
    Invoices,
    LetterBoxes,
    Cases,
    SlackChannels,
    Devices,
)


class Viewer:
    """Pages of the viewer; lists refresh every other second unless paused (WCAG 2.2.2)."""

    def __init__(
        self,
        ledger: Ledger,
        faults: Faults,
        summary: LedgerSummary | None = None,
        batches: Batches | None = None,
    ) -> None:
        folder = Path(__file__).parent
        self._style = (folder / "style.css").read_text("utf-8")
        self._faults = faults
        self._layout = PageLayout(folder / "pages", _tabs())
        self._context = PageContext(
            ledger,
            summary or LedgerSummary(ledger),
            self._layout,
            PdfRenderer(),
            batches or Batches(),
        )
        self._pages_by_channel = {kind.kind.channel: kind(self._context) for kind in PAGES}

    def routes(self) -> list[web.RouteDef]:
        all_pages = [route for pages in self._pages_by_channel.values() for route in pages.routes()]
        return [
            web.get("/", self.overview),
            web.get("/style.css", self.style),
            *all_pages,
            *PrintBatchPages(self._context).routes(),
            web.get("/misbehaviour", self.misbehaviour),
        ]

    @web.middleware
    async def missing(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Middleware that answers unknown addresses with a helpful page."""
        try:
            return await handler(request)  # aiohttp passes it by this name
        except web.HTTPNotFound:
            if "text/html" not in request.headers.get("Accept", ""):
                raise
            return self._layout.missing_page(
                request, "Sidan finns inte", "Det finns ingen sida på den här adressen i sandlådan."
            )

    async def overview(self, request: web.Request) -> web.Response:
        ledger, summary = self._context.ledger, self._context.summary
        await summary.catch_up()
        newest = [
            e for n in range(len(ledger), max(0, len(ledger) - LATEST), -1) if (e := ledger.get(n))
        ]
        return self._layout.live_page(
            request,
            "overview",
            title="Översikt",
            cards=await self._cards(),
            counts=[
                {"channel": self._named(c), "provider": p, "count": n}
                for (c, p), n in sorted(summary.by_provider.items())
            ],
            any=bool(summary.by_provider),
            copies=len(summary.repeated),
            repeated=[
                {"who": r, "key": k, "times": n}
                for (_, r, k), n in list(summary.repeated.items())[-LATEST:]
            ],
            newest=[self._latest(entry) for entry in newest],
        )

    async def _cards(self) -> list[dict[str, Any]]:
        summary = self._context.summary
        cards: list[dict[str, Any]] = [
            {
                "href": s.kind.path,
                "number": summary.people(c),
                "label": s.kind.owners,
                "small": s.kind.counted(summary.by_channel[c]),
            }
            for c, s in self._pages_by_channel.items()
        ]
        batches = len(await asyncio.to_thread(self._context.batches.all))
        rules = len(self._faults.rules)
        cards.append(
            {
                "href": print_batches.PATH,
                "number": batches,
                "label": "utskriftsmappar",
                "small": "hos tryckeriet",
            }
        )
        return [
            *cards,
            {
                "href": "/misbehaviour",
                "number": rules,
                "label": "störningar",
                "small": "i skriptet just nu",
            },
        ]

    def _latest(self, entry: Received) -> dict[str, Any]:
        pages = self._pages_by_channel.get(entry.channel)
        return {
            "who": pages.label(entry.recipient) if pages else entry.recipient,
            "href": pages.link(entry) if pages else "",
            "channel": self._named(entry.channel),
            "sender": entry.sender,
            "excerpt": excerpt(entry.subject or entry.text),
            "at": moment(entry.at),
        }

    def _named(self, channel: str) -> str:
        pages = self._pages_by_channel.get(channel)
        return pages.kind.title if pages else channel

    async def misbehaviour(self, request: web.Request) -> web.Response:
        return await misbehaviour(self._layout, self._faults, request)

    async def style(self, _request: web.Request) -> web.Response:
        return web.Response(
            text=self._style,
            content_type="text/css",
            headers={**HEADERS, "Cache-Control": "max-age=60"},
        )


def _tabs() -> dict[str, str]:
    tabs = {"/": "Översikt"}
    for pages in PAGES:
        tabs[pages.kind.path] = pages.kind.title
        if pages is LetterBoxes:
            tabs[print_batches.PATH] = "Tryckeri"
    return {**tabs, "/misbehaviour": "Störningar"}
