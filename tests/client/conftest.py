"""Fixtures of the client tests: both clients behind one interface, and a scripted server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest
from aiohttp import web

from tests.http.conftest import client  # noqa: F401 - the fixture
from utskick_client import AsyncUtskickClient, RetryPolicy, UtskickClient

FAST_RETRIES = RetryPolicy(attempts=3, first_pause=0.01, max_retry_after=0.01, max_outage=1)


@dataclass
class ClientUnderTest:
    """Client of either kind; ``call`` a method, or ``iterate`` over one."""

    client: UtskickClient | AsyncUtskickClient

    async def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        method = getattr(self.client, name)
        if isinstance(self.client, AsyncUtskickClient):
            return await method(*args, **kwargs)
        return await asyncio.to_thread(method, *args, **kwargs)

    async def iterate(self, name: str, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        found = getattr(self.client, name)(*args, **kwargs)
        if isinstance(self.client, AsyncUtskickClient):
            try:
                async for item in found:
                    yield item
            finally:
                await found.aclose()
            return
        end = object()
        try:
            while (item := await asyncio.to_thread(next, found, end)) is not end:
                yield item
        finally:
            found.close()

    async def close(self) -> None:
        if isinstance(self.client, AsyncUtskickClient):
            await self.client.aclose()
        else:
            self.client.close()


Make = Callable[..., ClientUnderTest]


@pytest.fixture(params=["sync", "async"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Return a function that creates a client of the parametrised kind."""
    opened: list[ClientUnderTest] = []

    def create(url: str, municipality: str = "2281", **more: Any) -> ClientUnderTest:
        kind = UtskickClient if request.param == "sync" else AsyncUtskickClient
        opened.append(
            ClientUnderTest(
                cast(Any, kind)(url, municipality, **{"retry_policy": FAST_RETRIES, **more})
            )
        )
        return opened[-1]

    yield create
    for each in opened:
        await each.close()


# -- scripted server ----------------------------------------

Answer = Callable[[web.Request], Any]


class ScriptedServer:
    """Server with scripted answers, one per call, the last one repeated.

    Records the calls as (path with query, headers, body).
    """

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.calls: list[tuple[str, Mapping[str, str], bytes]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.path_qs, request.headers, await request.read()))
        found = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)
        return cast(web.StreamResponse, await found if asyncio.iscoroutine(found) else found)

    @property
    def keys(self) -> list[str]:
        return [headers["Idempotency-Key"] for _, headers, _ in self.calls]


def respond(status: int, body: object, **headers: str) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    return lambda _: web.Response(
        status=status,
        text=text,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def drop_connection(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def stream_events(*events: str, kind: str = "text/event-stream", abort: bool = False) -> Answer:
    """Return a stream of events; with ``abort`` the connection breaks instead of ending."""

    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": kind})
        await answer.prepare(request)
        for event in events:
            await answer.write(event.encode())
        if abort:
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
        return answer

    return stream


@pytest.fixture
async def wire() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
