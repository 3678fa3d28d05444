"""HTTP client for the viewer's pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from utskick.sandbox.faults import Faults
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.print_house.batches import Batches
from utskick.sandbox.viewer import Viewer

SCRIPT = "<script>alert(1)</script>"


@asynccontextmanager
async def open_viewer(
    ledger: Ledger, faults: Faults | None = None, batches: Batches | None = None
) -> AsyncIterator[TestClient[Any, Any]]:
    viewer = Viewer(ledger, faults or Faults(), batches=batches)
    app = web.Application(middlewares=[viewer.missing])
    app.add_routes(viewer.routes())
    async with TestClient(TestServer(app)) as client:
        yield client


class _TagCollector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _TagCollector()
    parser.feed(page)
    return parser.seen


async def page(client: TestClient[Any, Any], path: str, status: int = 200) -> str:
    answer = await client.get(path, headers={"Accept": "text/html"})
    assert answer.status == status
    return await answer.text()
