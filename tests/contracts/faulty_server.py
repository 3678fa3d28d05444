"""HTTP server of the tests: records its calls, and responds or misbehaves as the test selects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Self

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from utskick.outgoing.http_client import ANSWER_LIMIT

Reply = Callable[[], web.Response]


def json(status: int, members: object, **headers: str) -> Reply:
    """Make a JSON reply. Names of headers have underscores for hyphens."""
    return lambda: web.Response(
        status=status,
        body=orjson.dumps(members),
        content_type="application/json",
        headers=_named(headers),
    )


def text(status: int, words: str = "", **headers: str) -> Reply:
    """Make a reply of plain text. Names of headers have underscores for hyphens."""
    return lambda: web.Response(status=status, text=words, headers=_named(headers))


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class FaultyServer:
    """Server for a provider's tests (``tests.contracts.provider``).

    ``replies``: by the word that ``misbehave`` selects, "well" at first; ``default`` for other
    words. Words that fail the connection instead: "timeout" (no response before ``close_server``),
    "drop" (aborted), "no-http" (bytes that are not HTTP), "oversized" (a body beyond the client's
    limit) and "gone" (no longer listening).
    """

    def __init__(self, replies: Mapping[str, Reply], default: Reply) -> None:
        self.replies = dict(replies)
        self.keys: list[str] = []
        self.calls: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []
        self.tokens_given = 0
        self.token_replies: list[Reply] = []
        self.token_name = "token"
        self._default = default
        self._how = "well"
        self._over = asyncio.Event()

    async def open_server(
        self, token_path: str | None = None, *, routes: Mapping[str, Any] | None = None
    ) -> Self:
        """Listen on 127.0.0.1. ``routes``: handlers of POST by path, beside the faulty ones."""
        app = web.Application(client_max_size=0)
        if token_path is not None:
            app.router.add_post(token_path, self._give_token)
        for path, handler in (routes or {}).items():
            app.router.add_post(path, handler)
        app.router.add_route("*", "/{path:.*}", self.answer)
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        return self

    def url(self, path: str = "") -> str:
        return str(self.server.make_url(path))

    async def close_server(self) -> None:
        self._over.set()
        await self.server.close()

    async def misbehave(self, how: str) -> None:
        """Select what happens to the calls from now on."""
        self._how = how
        if how == "gone":
            await self.stop_listening()

    async def stop_listening(self) -> None:
        await self.server.close()

    def key_of(self, body: bytes) -> str | None:
        """Return the delivery id in a call's body, None if the protocol has no place for it."""
        del body
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Record a call and respond to it."""
        body = await request.read()
        self.calls.append(request)
        self.bodies.append(body)
        if (key := self.key_of(body)) is not None:
            self.keys.append(key)
        return await self.fail(request) or self.replies.get(self._how, self._default)()

    async def fail(self, request: web.Request) -> web.Response | None:
        """Fail the connection if that is selected. Return the response, None for a reply."""
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        match self._how:
            case "timeout":
                await asyncio.wait_for(self._over.wait(), 30)
            case "drop":
                transport.abort()
            case "no-http":
                transport.write(b"\x00\x01 nothing that HTTP knows\r\n\r\n")
                transport.close()
            case "oversized" if "oversized" not in self.replies:
                return web.Response(body=b"x" * (ANSWER_LIMIT + 1))
        return None

    async def _give_token(self, request: web.Request) -> web.Response:
        self.tokens_given += 1
        if self.token_replies:
            return self.token_replies.pop(0)()
        members = {"token_type": "Bearer", "expires_in": 3599}
        return json(200, {"access_token": f"{self.token_name}-{self.tokens_given}", **members})()
