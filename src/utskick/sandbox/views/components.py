"""What the pages of all channels have in common: everybody who got something, what somebody got,
and the files that came with it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from aiohttp import web

from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.mail_parser import Enclosure
from utskick.sandbox.print_house.batches import Batches
from utskick.sandbox.print_house.pdf_pages import Pictures, is_pdf
from utskick.sandbox.summary import LedgerSummary
from utskick.sandbox.views.formatting import excerpt, moment, size
from utskick.sandbox.views.layout import HEADERS, PageLayout, segment, to_save

#: No page shows more rows than this; the ledger's API gives the rest.
ROWS: Final = 200

Show = Callable[[web.Request, Received], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Desk:
    """What pages are made from."""

    ledger: Ledger
    tally: LedgerSummary
    layout: PageLayout
    pictures: Pictures
    batches: Batches


@dataclass(frozen=True, slots=True)
class ItemKind:
    """One channel's things. ``path``: of its list; ``title``: of the list; ``owners``: who is in
    it; ``one``, ``many``: what lies there."""

    channel: str
    path: str
    title: str
    owners: str
    one: str
    many: str
    nobody: str

    def counted(self, number: int) -> str:
        return f"{number} {self.one if number == 1 else self.many}"


class Shelf:
    """Two pages: ``/kind``, and ``/kind/somebody``, which a subclass shows by ``somebody``."""

    kind: ClassVar[ItemKind]

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(self.kind.path, self.everybody),
            web.get(f"{self.kind.path}/{{who:[^/]+}}", self._somebody),
        ]

    def link(self, entry: Received) -> str:
        """Where an entry is seen."""
        return f"{self.kind.path}/{segment(entry.recipient)}#n{entry.number}"

    def label(self, recipient: str) -> str:
        """How a recipient is written."""
        return recipient

    async def everybody(self, request: web.Request) -> web.Response:
        tally, kind = self.desk.tally, self.kind
        await tally.catch_up()
        rows = [
            {
                "who": self.label(entry.recipient),
                "href": f"{kind.path}/{segment(who)}",
                "count": kind.counted(count),
            }
            | {
                "at": moment(entry.at),
                "sender": entry.sender,
                "excerpt": excerpt(entry.subject or entry.text),
            }
            for who, count, entry in tally.recent(kind.channel, ROWS)
        ]
        total = tally.people(kind.channel)
        shown = {
            "rows": rows,
            "more": total > ROWS,
            "shown": ROWS,
            "total": total,
            "path": kind.path,
            "nobody": kind.nobody,
        }
        return self.desk.layout.living(request, "people", title=kind.title, **shown)

    async def _somebody(self, request: web.Request) -> web.Response:
        who = request.match_info["who"]
        entries = self.desk.ledger.of(self.kind.channel, who)
        return await self.somebody(request, entries) if entries else self.nobody(request, who)

    async def somebody(self, request: web.Request, entries: list[Received]) -> web.Response:
        """``entries``: all that one recipient got, at least one, the oldest first."""
        raise NotImplementedError

    def nobody(self, request: web.Request, who: str) -> web.Response:
        return self.desk.layout.absent(request, "Här är det tomt", f"{who} har inte fått något än.")

    def frame(self, entries: list[Received]) -> dict[str, Any]:
        """What every page of somebody says: whose, how many, and whether all of it is shown."""
        who = entries[0].recipient
        return {
            "title": self.label(who),
            "path": self.kind.path,
            "owners": self.kind.title,
            "href": f"{self.kind.path}/{segment(who)}",
            "total": len(entries),
            "count": self.kind.counted(len(entries)),
            "more": len(entries) > ROWS,
            "shown": ROWS,
        }

    def entry(self, request: web.Request) -> Received | None:
        """The one that the address names, where it is this recipient's."""
        entry = self.desk.ledger.get(int(request.match_info["number"]))
        mine = entry is not None and entry.channel == self.kind.channel
        return (
            entry
            if mine and entry and entry.recipient.lower() == request.match_info["who"].lower()
            else None
        )

    def found(self, show: Show) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """``show`` for the entry that the address names."""

        async def shown(request: web.Request) -> web.StreamResponse:
            entry = self.entry(request)
            if entry is None:
                return self.desk.layout.absent(
                    request, "Det finns inte", f"Här finns {self.kind.one} med det numret inte."
                )
            return await show(request, entry)

        return shown


class FiledShelf(Shelf):
    """Its entries carry files: ``…/number/files/index`` to save, ``…/page.png`` and
    ``…/page-2.png`` to look at."""

    def routes(self) -> list[web.RouteDef]:
        file = f"{self.kind.path}/{{who:[^/]+}}/{{number:\\d{{1,15}}}}/files/{{index:\\d{{1,4}}}}"
        picture = f"{file}/page{{page:(?:-[2-9])?}}.png"
        return [
            *super().routes(),
            web.get(file, self.found(self._file)),
            web.get(picture, self.found(self._picture)),
        ]

    async def files(self, entry: Received) -> Sequence[Enclosure]:
        """In a fixed order; numbered from 1 in addresses."""
        raise NotImplementedError

    async def file(self, entry: Received, index: int) -> Enclosure | None:
        files = await self.files(entry)
        return files[index - 1] if 1 <= index <= len(files) else None

    def described(self, entry: Received, files: Sequence[Enclosure]) -> dict[str, Any]:
        """For the part ``files`` of a page."""
        base = f"{self.kind.path}/{segment(entry.recipient)}/{entry.number}/files"
        return {
            "files": [tile(file, f"{base}/{number}") for number, file in enumerate(files, start=1)],
            "enclosed": len(files),
        }

    async def _file(self, request: web.Request, entry: Received) -> web.StreamResponse:
        index = int(request.match_info["index"])
        file = await self.file(entry, index)
        return to_save(file, f"bilaga-{index}") if file else self._no_file(request)

    async def _picture(self, request: web.Request, entry: Received) -> web.StreamResponse:
        file = await self.file(entry, int(request.match_info["index"]))
        page = int(request.match_info["page"].removeprefix("-") or 1)
        return await pictured(
            request, self.desk, file.data if file else b"", page
        ) or self._no_file(request)

    def _no_file(self, request: web.Request) -> web.Response:
        return self.desk.layout.absent(
            request, "Filen finns inte", "Här finns ingen fil eller sida med det numret."
        )


class OpenShelf(FiledShelf):
    """Each entry has a page of its own, ``…/number``, which a subclass shows by ``opened``."""

    def routes(self) -> list[web.RouteDef]:
        return [
            *super().routes(),
            web.get(
                f"{self.kind.path}/{{who:[^/]+}}/{{number:\\d{{1,15}}}}", self.found(self.opened)
            ),
        ]

    def link(self, entry: Received) -> str:
        return f"{self.kind.path}/{segment(entry.recipient)}/{entry.number}"

    async def opened(self, request: web.Request, entry: Received) -> web.StreamResponse:
        raise NotImplementedError


def tile(file: Enclosure, href: str) -> dict[str, Any]:
    told = {
        "name": file.name,
        "type": file.content_type or "okänd typ",
        "size": size(len(file.data)),
    }
    return {**told, "href": href, "picture": is_pdf(file.data)}


async def pictured(request: web.Request, desk: Desk, data: bytes, page: int) -> web.Response | None:
    """A page as PNG; None where there is no such page. Asked again, it is not drawn again (RFC 9110
    section 13.1.2)."""
    if not is_pdf(data):
        return None
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}-{page}"'
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": tag}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    pages = (await desk.pictures.of(data)).pages
    return (
        web.Response(body=pages[page - 1], content_type="image/png", headers=headers)
        if page <= len(pages)
        else None
    )
