"""ASGI middleware of every call: request id, security headers, write timeout."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import uuid4

import structlog

from utskick.http.wire import problems
from utskick.http.wire.forwarded import TrustedProxies
from utskick.http.wire.memory import MemoryBudget, MemoryShare, overloaded

Scope = MutableMapping[str, Any]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}\Z")

_NOT_STORED = [(b"cache-control", b"no-store"), (b"expires", b"0"), (b"pragma", b"no-cache")]

#: Security headers (OWASP ASVS 14.4): no sniffing, framing or scripts; ``/docs`` sets its own.
_GUARDED = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]

#: Seconds until a client must have read a piece of its response, and bytes per second that it must
#: read on average after that time.
_UNREAD = 60.0
_RATE = 16_384.0
#: Bytes of a response that are handed over at a time; the next ones wait until these are read.
_PIECE = 65_536
_BUSY = problems.of_error(overloaded())


class RequestMiddleware:
    """ASGI middleware: request id in request, response and log; security headers; no caching.

    A client that does not read its response is disconnected; long responses are held in the memory
    of the call, and handed over in pieces. HEAD is served as GET; the server
    leaves out the body (RFC 9110 section 9.3.2).
    """

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        *,
        proxies: TrustedProxies,
        memory: MemoryBudget,
    ) -> None:
        """Wrap an application. ``proxies``: those whose word on the caller's address is taken."""
        self._app = app
        self._proxies = proxies
        self._memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._proxies.networks and (peer := scope.get("client")):
            scope["client"] = (self._proxies.caller(peer[0], scope["headers"]), peer[1])
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        request_id = given if _REQUEST_ID.match(given) else str(uuid4()).encode()
        share = MemoryShare(self._memory)
        state = scope.setdefault("state", {})
        state["request_id"], state["memory"] = request_id.decode(), share
        answer = _Answer(send, share)

        async def enveloped(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", ())
                guarded = (
                    _GUARDED if not any(name == _GUARDED[1][0] for name, _ in own) else _GUARDED[:1]
                )
                message["headers"] = [*own, (b"x-request-id", request_id), *_NOT_STORED, *guarded]
            await answer.send(message)

        try:
            with structlog.contextvars.bound_contextvars(request_id=state["request_id"]):
                await self._app(
                    {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope,
                    receive,
                    enveloped,
                )
        finally:
            share.end()


class _Answer:
    """A response on its way: the start of a whole one waits for its body, which needs memory."""

    def __init__(self, send: Send, share: MemoryShare) -> None:
        self._send = send
        self._share = share
        self._start: MutableMapping[str, Any] | None = None
        self._is_refused = False
        self._sent = 0
        self._waited = 0.0

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            if all(name != b"content-length" for name, _ in message["headers"]):
                await self._begin()  # a stream, whose first piece may take its time
            return
        if self._is_refused:
            return
        body = message.get("body", b"")
        if len(body) <= _PIECE:
            await self._begin()
            await self._timed(message)
        elif self._share.answer(len(body)):
            await self._begin()
            await self._in_pieces(memoryview(body), more=bool(message.get("more_body")))
        elif self._start is not None:
            self._is_refused = True
            headers = [*self._start["headers"], *_BUSY.raw_headers]
            kept = {name: value for name, value in headers if name != b"set-cookie"}
            self._start = {**self._start, "status": 503, "headers": list(kept.items())}
            await self._begin()
            await self._timed({"type": "http.response.body", "body": _BUSY.body})
        else:  # of a stream; it has been built already, and the next piece waits for this one
            await self._in_pieces(memoryview(body), more=bool(message.get("more_body")))

    async def _begin(self) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            await self._timed(start)

    async def _in_pieces(self, body: memoryview, *, more: bool) -> None:
        for at in range(0, len(body), _PIECE):
            piece = bytes(body[at : at + _PIECE])
            last = at + _PIECE >= len(body)
            await self._timed(
                {"type": "http.response.body", "body": piece, "more_body": more or not last}
            )

    async def _timed(self, message: MutableMapping[str, Any]) -> None:
        """Send; a client that does not read, or only trickles, is disconnected."""
        clock = asyncio.get_running_loop().time
        start, left = clock(), _UNREAD + self._sent / _RATE - self._waited
        async with asyncio.timeout(min(_UNREAD, left)):
            await self._send(message)
        self._waited += clock() - start
        self._sent += len(message.get("body", b""))
