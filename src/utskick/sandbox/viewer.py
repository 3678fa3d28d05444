"""What the citizens of the sandbox see, as web pages in Swedish: their phones, mailboxes, invoices,
letters, cases and devices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from utskick.sandbox.faults import Faults
from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.print_house.batches import Batches
from utskick.sandbox.print_house.pdf_pages import Pictures
from utskick.sandbox.summary import LedgerSummary
from utskick.sandbox.views import print_batches
from utskick.sandbox.views.cases import Cases
from utskick.sandbox.views.components import Desk, Shelf
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

#: Entries that the overview names, and copies that it warns of.
LATEST: Final = 8

#: In the order of the tabs and the cards.
SHELVES: Final[tuple[type[Shelf], ...]] = (
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
    """The pages. Lists refresh themselves every other second, unless paused (WCAG 2.2.2).
    ``batches``: what the printing house holds."""

    def __init__(
        self,
        ledger: Ledger,
        faults: Faults,
        tally: LedgerSummary | None = None,
        batches: Batches | None = None,
    ) -> None:
        folder = Path(__file__).parent
        self._style = (folder / "style.css").read_text("utf-8")
        self._faults = faults
        self._layout = PageLayout(folder / "pages", _tabs())
        self._desk = Desk(
            ledger, tally or LedgerSummary(ledger), self._layout, Pictures(), batches or Batches()
        )
        self._shelves = {kind.kind.channel: kind(self._desk) for kind in SHELVES}

    def routes(self) -> list[web.RouteDef]:
        shelves = [route for shelf in self._shelves.values() for route in shelf.routes()]
        return [
            web.get("/", self.overview),
            web.get("/style.css", self.style),
            *shelves,
            *PrintBatchPages(self._desk).routes(),
            web.get("/misbehaviour", self.misbehaviour),
        ]

    @web.middleware
    async def missing(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """A page that helps for every address that nobody answers; to be laid around the whole
        application."""
        try:
            return await handler(request)  # aiohttp passes it by this name
        except web.HTTPNotFound:
            if "text/html" not in request.headers.get("Accept", ""):
                raise
            return self._layout.absent(
                request, "Sidan finns inte", "Det finns ingen sida på den här adressen i sandlådan."
            )

    async def overview(self, request: web.Request) -> web.Response:
        ledger, tally = self._desk.ledger, self._desk.tally
        await tally.catch_up()
        newest = [
            e for n in range(len(ledger), max(0, len(ledger) - LATEST), -1) if (e := ledger.get(n))
        ]
        return self._layout.living(
            request,
            "overview",
            title="Översikt",
            cards=await self._cards(),
            counts=[
                {"channel": self._named(c), "provider": p, "count": n}
                for (c, p), n in sorted(tally.by_provider.items())
            ],
            any=bool(tally.by_provider),
            copies=len(tally.repeated),
            repeated=[
                {"who": r, "key": k, "times": n}
                for (_, r, k), n in list(tally.repeated.items())[-LATEST:]
            ],
            newest=[self._latest(entry) for entry in newest],
        )

    async def _cards(self) -> list[dict[str, Any]]:
        tally = self._desk.tally
        cards: list[dict[str, Any]] = [
            {
                "href": s.kind.path,
                "number": tally.people(c),
                "label": s.kind.owners,
                "small": s.kind.counted(tally.by_channel[c]),
            }
            for c, s in self._shelves.items()
        ]
        batches = len(await asyncio.to_thread(self._desk.batches.all))
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
        shelf = self._shelves.get(entry.channel)
        return {
            "who": shelf.label(entry.recipient) if shelf else entry.recipient,
            "href": shelf.link(entry) if shelf else "",
            "channel": self._named(entry.channel),
            "sender": entry.sender,
            "excerpt": excerpt(entry.subject or entry.text),
            "at": moment(entry.at),
        }

    def _named(self, channel: str) -> str:
        shelf = self._shelves.get(channel)
        return shelf.kind.title if shelf else channel

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
    for shelf in SHELVES:
        tabs[shelf.kind.path] = shelf.kind.title
        if shelf is LetterBoxes:
            tabs[print_batches.PATH] = "Tryckeri"
    return {**tabs, "/misbehaviour": "Störningar"}
