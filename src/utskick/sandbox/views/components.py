"""Pages shared by all channels: recipients, messages of a recipient, and attached files."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from aiohttp import web

from utskick.sandbox.ledger import Ledger, Received
from utskick.sandbox.mail_parser import AttachedFile
from utskick.sandbox.print_house.batches import Batches
from utskick.sandbox.print_house.pdf_pages import PdfRenderer, is_pdf
from utskick.sandbox.summary import LedgerSummary
from utskick.sandbox.views.formatting import excerpt, moment, size
from utskick.sandbox.views.layout import HEADERS, PageLayout, download, path_segment

#: Maximum number of rows of a page; the ledger's API returns the rest.
ROWS: Final = 200

EntryPage = Callable[[web.Request, Received], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class PageContext:
    """Dependencies of the pages."""

    ledger: Ledger
    summary: LedgerSummary
    layout: PageLayout
    pdf_renderer: PdfRenderer
    batches: Batches


@dataclass(frozen=True, slots=True)
class ItemKind:
    """Kind of item of a channel.

    ``path`` and ``title``: of its list; ``owners``: noun for the recipients; ``one``, ``many``:
    nouns for the items; ``empty_text``: text of an empty list.
    """

    channel: str
    path: str
    title: str
    owners: str
    one: str
    many: str
    empty_text: str

    def counted(self, number: int) -> str:
        return f"{number} {self.one if number == 1 else self.many}"


class RecipientPages:
    """List of recipients, and a page per recipient, which a subclass renders."""

    kind: ClassVar[ItemKind]

    def __init__(self, context: PageContext) -> None:
        self.context = context

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(self.kind.path, self.list_page),
            web.get(f"{self.kind.path}/{{who:[^/]+}}", self._recipient_page),
        ]

    def link(self, entry: Received) -> str:
        """Return the address of an entry's page."""
        return f"{self.kind.path}/{path_segment(entry.recipient)}#n{entry.number}"

    def label(self, recipient: str) -> str:
        """Return a recipient's display name."""
        return recipient

    async def list_page(self, request: web.Request) -> web.Response:
        summary, kind = self.context.summary, self.kind
        await summary.catch_up()
        rows = [
            {
                "who": self.label(entry.recipient),
                "href": f"{kind.path}/{path_segment(who)}",
                "count": kind.counted(count),
            }
            | {
                "at": moment(entry.at),
                "sender": entry.sender,
                "excerpt": excerpt(entry.subject or entry.text),
            }
            for who, count, entry in summary.recent(kind.channel, ROWS)
        ]
        total = summary.people(kind.channel)
        members = {
            "rows": rows,
            "more": total > ROWS,
            "limit": ROWS,
            "total": total,
            "path": kind.path,
            "empty_text": kind.empty_text,
        }
        return self.context.layout.live_page(request, "people", title=kind.title, **members)

    async def _recipient_page(self, request: web.Request) -> web.Response:
        who = request.match_info["who"]
        entries = self.context.ledger.of(self.kind.channel, who)
        return (
            await self.recipient_page(request, entries)
            if entries
            else self.empty_page(request, who)
        )

    async def recipient_page(self, request: web.Request, entries: list[Received]) -> web.Response:
        """Render the entries of a recipient, at least one, the oldest first."""
        raise NotImplementedError

    def empty_page(self, request: web.Request, who: str) -> web.Response:
        return self.context.layout.missing_page(
            request, "Här är det tomt", f"{who} har inte fått något än."
        )

    def frame(self, entries: list[Received]) -> dict[str, Any]:
        """Return the template members common to all pages of a recipient."""
        who = entries[0].recipient
        return {
            "title": self.label(who),
            "path": self.kind.path,
            "owners": self.kind.title,
            "href": f"{self.kind.path}/{path_segment(who)}",
            "total": len(entries),
            "count": self.kind.counted(len(entries)),
            "more": len(entries) > ROWS,
            "limit": ROWS,
        }

    def entry(self, request: web.Request) -> Received | None:
        """Return the entry in the path, if it belongs to the recipient."""
        entry = self.context.ledger.get(int(request.match_info["number"]))
        same_channel = entry is not None and entry.channel == self.kind.channel
        return (
            entry
            if same_channel
            and entry
            and entry.recipient.lower() == request.match_info["who"].lower()
            else None
        )

    def with_entry(self, show: EntryPage) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return a request handler that renders the entry in the path with ``show``."""

        async def render(request: web.Request) -> web.StreamResponse:
            entry = self.entry(request)
            if entry is None:
                return self.context.layout.missing_page(
                    request, "Det finns inte", f"Här finns {self.kind.one} med det numret inte."
                )
            return await show(request, entry)

        return render


class FilePages(RecipientPages):
    """Pages with files: ``…/number/files/index`` to download, ``…/page.png`` to display."""

    def routes(self) -> list[web.RouteDef]:
        file = f"{self.kind.path}/{{who:[^/]+}}/{{number:\\d{{1,15}}}}/files/{{index:\\d{{1,4}}}}"
        picture = f"{file}/page{{page:(?:-[2-9])?}}.png"
        return [
            *super().routes(),
            web.get(file, self.with_entry(self._file)),
            web.get(picture, self.with_entry(self._picture)),
        ]

    async def files(self, entry: Received) -> Sequence[AttachedFile]:
        """Return the files in a fixed order; paths count from 1."""
        raise NotImplementedError

    async def file(self, entry: Received, index: int) -> AttachedFile | None:
        files = await self.files(entry)
        return files[index - 1] if 1 <= index <= len(files) else None

    def files_members(self, entry: Received, files: Sequence[AttachedFile]) -> dict[str, Any]:
        """Return the members of the template part ``files``."""
        base = f"{self.kind.path}/{path_segment(entry.recipient)}/{entry.number}/files"
        return {
            "files": [
                file_members(file, f"{base}/{number}") for number, file in enumerate(files, start=1)
            ],
            "enclosed": len(files),
        }

    async def _file(self, request: web.Request, entry: Received) -> web.StreamResponse:
        index = int(request.match_info["index"])
        file = await self.file(entry, index)
        return download(file, f"bilaga-{index}") if file else self._no_file(request)

    async def _picture(self, request: web.Request, entry: Received) -> web.StreamResponse:
        file = await self.file(entry, int(request.match_info["index"]))
        page = int(request.match_info["page"].removeprefix("-") or 1)
        return await page_image(
            request, self.context, file.data if file else b"", page
        ) or self._no_file(request)

    def _no_file(self, request: web.Request) -> web.Response:
        return self.context.layout.missing_page(
            request, "Filen finns inte", "Här finns ingen fil eller sida med det numret."
        )


class ItemPages(FilePages):
    """Pages with a page per entry, ``…/number``, which a subclass renders."""

    def routes(self) -> list[web.RouteDef]:
        return [
            *super().routes(),
            web.get(
                f"{self.kind.path}/{{who:[^/]+}}/{{number:\\d{{1,15}}}}",
                self.with_entry(self.item_page),
            ),
        ]

    def link(self, entry: Received) -> str:
        return f"{self.kind.path}/{path_segment(entry.recipient)}/{entry.number}"

    async def item_page(self, request: web.Request, entry: Received) -> web.StreamResponse:
        raise NotImplementedError


def file_members(file: AttachedFile, href: str) -> dict[str, Any]:
    members = {
        "name": file.name,
        "type": file.content_type or "okänd typ",
        "size": size(len(file.data)),
    }
    return {**members, "href": href, "picture": is_pdf(file.data)}


async def page_image(
    request: web.Request, context: PageContext, data: bytes, page: int
) -> web.Response | None:
    """Return a page as PNG, or None; with an ETag (RFC 9110 section 13.1.2)."""
    if not is_pdf(data):
        return None
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}-{page}"'
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": tag}
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    pages = (await context.pdf_renderer.of(data)).pages
    return (
        web.Response(body=pages[page - 1], content_type="image/png", headers=headers)
        if page <= len(pages)
        else None
    )
