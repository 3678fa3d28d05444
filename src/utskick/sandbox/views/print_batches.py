"""The printing house's own view: each batch that was handed over, and its files."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from utskick.sandbox.print_house.batches import Batch
from utskick.sandbox.views.components import ROWS, Desk, pictured
from utskick.sandbox.views.formatting import moment, size
from utskick.sandbox.views.layout import saving, segment

PATH: Final = "/print"
_TEXTS: Final = {
    "SHA256SUMS": "kontrollsummor",
    "KLAR": "klarmarkering",
    "manifest.json": "innehållsförteckning",
}
#: Characters of a text file, and columns of a list, that are shown.
LONGEST: Final = 100_000
_COLUMNS: Final = 20


class PrintBatchPages:
    """``/print``"""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        file = f"{PATH}/{{batch:[^/]+}}/{{file:[^/]+}}"
        return [
            web.get(PATH, self.everything),
            web.get(f"{PATH}/{{batch:[^/]+}}", self.batch),
            web.get(file, self._found(self.file)),
            web.get(f"{file}/saved", self._found(self.saved)),
            web.get(f"{file}/page{{page:(?:-[2-9])?}}.png", self._found(self.picture)),
        ]

    async def everything(self, request: web.Request) -> web.Response:
        batches = await asyncio.to_thread(self._desk.batches.all)
        rows = [
            {
                "name": b.name,
                "link": f"{PATH}/{segment(b.name)}",
                "count": len(b.files),
                "at": moment(b.at),
                "state": state(b),
            }
            for b in batches[:ROWS]
        ]
        shown = {"rows": rows, "total": len(batches), "more": len(batches) > ROWS, "shown": ROWS}
        return self._desk.layout.living(request, "print", title="Tryckeri", **shown)

    async def batch(self, request: web.Request) -> web.Response:
        batch = await asyncio.to_thread(self._desk.batches.find, request.match_info["batch"])
        if batch is None:
            return self._absent(request)
        sheets, lists = (
            [f for f in batch.files if is_named_pdf(f)],
            [f for f in batch.files if not is_named_pdf(f)],
        )
        files = await asyncio.to_thread(self._told, batch, [*lists[:ROWS], *sheets[:ROWS]])
        return self._desk.layout.page(
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
            shown=ROWS,
        )

    def _told(self, batch: Batch, names: Collection[str]) -> list[dict[str, Any]]:
        """What the batch's page says of each file; ``picture``: whether it can be one at all."""
        base, sizes = f"{PATH}/{segment(batch.name)}", self._desk.batches.sizes(batch.name)
        pdfs = self._desk.batches.pdfs(batch.name, [name for name in names if is_named_pdf(name)])
        return [
            {
                "name": name,
                "link": f"{base}/{segment(name)}",
                "size": size(sizes.get(name, 0)),
                "told": told(name),
                "picture": name in pdfs,
            }
            for name in names
        ]

    async def file(self, request: web.Request, path: Path) -> web.Response:
        batch, name = request.match_info["batch"], path.name
        link = f"{PATH}/{segment(batch)}/{segment(name)}"
        members: dict[str, Any] = {
            "title": name,
            "told": told(name),
            "batch": batch,
            "href": f"{PATH}/{segment(batch)}",
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
        return self._desk.layout.page(
            request, "print_file", **(members | await self._shown(batch, name, link))
        )

    async def _shown(self, batch: str, name: str, link: str) -> dict[str, Any]:
        data = await asyncio.to_thread(self._desk.batches.read, batch, name) or b""
        if is_named_pdf(name):
            drawn = await self._desk.pictures.of(data)
            pages = [
                {"page": n, "src": f"{link}/page{'' if n == 1 else f'-{n}'}.png"}
                for n in range(1, len(drawn.pages) + 1)
            ]
            return {"pdf": True, "pages": pages, "hidden": drawn.total - len(pages)}
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
                "text": readable(data)[:LONGEST],
                "hidden": max(0, len(data) - LONGEST),
            }
        return {}

    async def saved(self, _request: web.Request, path: Path) -> web.StreamResponse:
        return web.FileResponse(
            path, headers={**saving(path.name, "fil"), "Content-Type": "application/octet-stream"}
        )

    async def picture(self, request: web.Request, path: Path) -> web.Response:
        data = await asyncio.to_thread(
            self._desk.batches.read, request.match_info["batch"], path.name
        )
        page = int(request.match_info["page"].removeprefix("-") or 1)
        return await pictured(request, self._desk, data or b"", page) or self._absent(request)

    def _found(
        self, show: Callable[[web.Request, Path], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def shown(request: web.Request) -> web.StreamResponse:
            path = await asyncio.to_thread(
                self._desk.batches.file, request.match_info["batch"], request.match_info["file"]
            )
            return await show(request, path) if path else self._absent(request)

        return shown

    def _absent(self, request: web.Request) -> web.Response:
        sentence = "Tryckeriet har ingen mapp, fil eller sida med det namnet."
        return self._desk.layout.absent(request, "Det finns inte hos tryckeriet", sentence)


def state(batch: Batch) -> str:
    if batch.refused:
        return "avvisad av tryckeriet"
    return "mottagen" if batch.done else "inte färdig: klarmarkeringen saknas"


def told(name: str) -> str:
    """What a file is for."""
    return _TEXTS.get(name) or ("adresslista" if name.lower().endswith(".csv") else "")


def is_named_pdf(name: str) -> bool:
    return name.lower().endswith(".pdf")


def readable(data: bytes) -> str:
    """UTF-8, else as address lists are written today."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("iso-8859-1")


def table(data: bytes) -> list[dict[str, Any]]:
    """The rows of an address list, the first its header; none where it is no list."""
    lines = readable(data).splitlines()[: ROWS + 1]
    try:
        return [
            {"cells": [{"cell": cell} for cell in row[:_COLUMNS]]}
            for row in csv.reader(lines)
            if row
        ]
    except csv.Error:
        return []
