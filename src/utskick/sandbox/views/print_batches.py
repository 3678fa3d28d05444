"""Pages of the print house: the received batches and their files."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from utskick.sandbox.print_house.batches import Batch
from utskick.sandbox.views.components import ROWS, PageContext, page_image
from utskick.sandbox.views.formatting import moment, size
from utskick.sandbox.views.layout import download_headers, path_segment

PATH: Final = "/print"
_TEXTS: Final = {
    "SHA256SUMS": "kontrollsummor",
    "KLAR": "klarmarkering",
    "manifest.json": "innehållsförteckning",
}
#: Maximum number of characters of a text file, and of columns of a list.
MAX_TEXT: Final = 100_000
_COLUMNS: Final = 20


class PrintBatchPages:
    """Pages below ``/print``."""

    def __init__(self, context: PageContext) -> None:
        self._context = context

    def routes(self) -> list[web.RouteDef]:
        file = f"{PATH}/{{batch:[^/]+}}/{{file:[^/]+}}"
        return [
            web.get(PATH, self.list_page),
            web.get(f"{PATH}/{{batch:[^/]+}}", self.batch),
            web.get(file, self._with_file(self.file)),
            web.get(f"{file}/saved", self._with_file(self.download_file)),
            web.get(f"{file}/page{{page:(?:-[2-9])?}}.png", self._with_file(self.picture)),
        ]

    async def list_page(self, request: web.Request) -> web.Response:
        batches = await asyncio.to_thread(self._context.batches.all)
        rows = [
            {
                "name": b.name,
                "link": f"{PATH}/{path_segment(b.name)}",
                "count": len(b.files),
                "at": moment(b.at),
                "state": state(b),
            }
            for b in batches[:ROWS]
        ]
        members = {"rows": rows, "total": len(batches), "more": len(batches) > ROWS, "limit": ROWS}
        return self._context.layout.live_page(request, "print", title="Tryckeri", **members)

    async def batch(self, request: web.Request) -> web.Response:
        batch = await asyncio.to_thread(self._context.batches.find, request.match_info["batch"])
        if batch is None:
            return self._absent(request)
        sheets, lists = (
            [f for f in batch.files if is_named_pdf(f)],
            [f for f in batch.files if not is_named_pdf(f)],
        )
        files = await asyncio.to_thread(self._file_rows, batch, [*lists[:ROWS], *sheets[:ROWS]])
        return self._context.layout.page(
            request,
            "print_batch",
            title=batch.name,
            at=moment(batch.at),
            state=state(batch),
            refused=batch.refused or "",
            lists=[file for file in files if not is_named_pdf(file["name"])],
            sheets=[file for file in files if is_named_pdf(file["name"])],
            printed=len(sheets),
            more=len(sheets) > ROWS,
            limit=ROWS,
        )

    def _file_rows(self, batch: Batch, names: Collection[str]) -> list[dict[str, Any]]:
        """Return the members of each file; ``picture`` is whether it can be rendered."""
        base, sizes = f"{PATH}/{path_segment(batch.name)}", self._context.batches.sizes(batch.name)
        pdfs = self._context.batches.pdfs(
            batch.name, [name for name in names if is_named_pdf(name)]
        )
        return [
            {
                "name": name,
                "link": f"{base}/{path_segment(name)}",
                "size": size(sizes.get(name, 0)),
                "description": purpose(name),
                "picture": name in pdfs,
            }
            for name in names
        ]

    async def file(self, request: web.Request, path: Path) -> web.Response:
        batch, name = request.match_info["batch"], path.name
        link = f"{PATH}/{path_segment(batch)}/{path_segment(name)}"
        members: dict[str, Any] = {
            "title": name,
            "description": purpose(name),
            "batch": batch,
            "href": f"{PATH}/{path_segment(batch)}",
            "link": link,
        }
        members |= {
            "table": False,
            "heads": [],
            "rows": [],
            "text": "",
            "readable": False,
            "pages": [],
            "hidden": 0,
            "pdf": False,
        }
        return self._context.layout.page(
            request, "print_file", **(members | await self._contents(batch, name, link))
        )

    async def _contents(self, batch: str, name: str, link: str) -> dict[str, Any]:
        data = await asyncio.to_thread(self._context.batches.read, batch, name) or b""
        if is_named_pdf(name):
            rendered = await self._context.pdf_renderer.of(data)
            pages = [
                {"page": n, "src": f"{link}/page{'' if n == 1 else f'-{n}'}.png"}
                for n in range(1, len(rendered.pages) + 1)
            ]
            return {"pdf": True, "pages": pages, "hidden": rendered.total - len(pages)}
        if name.lower().endswith(".csv") and (rows := table(data)):
            return {
                "table": True,
                "heads": rows[0]["cells"],
                "rows": rows[1:],
                "hidden": max(0, data.count(b"\n") - 1 - ROWS),
            }
        if name in _TEXTS or name.lower().endswith((".csv", ".json", ".txt")):
            return {
                "readable": True,
                "text": readable(data)[:MAX_TEXT],
                "hidden": max(0, len(data) - MAX_TEXT),
            }
        return {}

    async def download_file(self, _request: web.Request, path: Path) -> web.StreamResponse:
        return web.FileResponse(
            path,
            headers={
                **download_headers(path.name, "fil"),
                "Content-Type": "application/octet-stream",
            },
        )

    async def picture(self, request: web.Request, path: Path) -> web.Response:
        data = await asyncio.to_thread(
            self._context.batches.read, request.match_info["batch"], path.name
        )
        page = int(request.match_info["page"].removeprefix("-") or 1)
        return await page_image(request, self._context, data or b"", page) or self._absent(request)

    def _with_file(
        self, show: Callable[[web.Request, Path], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def render(request: web.Request) -> web.StreamResponse:
            path = await asyncio.to_thread(
                self._context.batches.file, request.match_info["batch"], request.match_info["file"]
            )
            return await show(request, path) if path else self._absent(request)

        return render

    def _absent(self, request: web.Request) -> web.Response:
        sentence = "Tryckeriet har ingen mapp, fil eller sida med det namnet."
        return self._context.layout.missing_page(request, "Det finns inte hos tryckeriet", sentence)


def state(batch: Batch) -> str:
    if batch.refused:
        return "avvisad av tryckeriet"
    return "mottagen" if batch.done else "inte färdig: klarmarkeringen saknas"


def purpose(name: str) -> str:
    """Return the purpose of a file."""
    return _TEXTS.get(name) or ("adresslista" if name.lower().endswith(".csv") else "")


def is_named_pdf(name: str) -> bool:
    return name.lower().endswith(".pdf")


def readable(data: bytes) -> str:
    """Decode UTF-8, or ISO 8859-1 as in today's address lists."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("iso-8859-1")


def table(data: bytes) -> list[dict[str, Any]]:
    """Return the rows of an address list including its header; empty if it is malformed."""
    lines = readable(data).splitlines()[: ROWS + 1]
    try:
        return [
            {"cells": [{"cell": cell} for cell in row[:_COLUMNS]]}
            for row in csv.reader(lines)
            if row
        ]
    except csv.Error:
        return []
