"""ASGI middleware of every call: request id, security headers, write timeout."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import uuid4

import structlog

from utskick.http.wire.forwarded import TrustedProxies

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

#: Seconds until a client must have read a piece of its response.
_UNREAD = 60.0


class RequestMiddleware:
    """ASGI middleware: request id in request, response and log; security headers; no caching.

    A client that does not read its response is disconnected. HEAD is served as GET; the server
    leaves out the body (RFC 9110 section 9.3.2).
    """

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], proxies: TrustedProxies
    ) -> None:
        """Wrap an application. ``proxies``: those whose word on the caller's address is taken."""
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._proxies.networks and (peer := scope.get("client")):
            scope["client"] = (self._proxies.caller(peer[0], scope["headers"]), peer[1])
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        request_id = given if _REQUEST_ID.match(given) else str(uuid4()).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def enveloped(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", ())
                guarded = (
                    _GUARDED if not any(name == _GUARDED[1][0] for name, _ in own) else _GUARDED[:1]
                )
                message["headers"] = [*own, (b"x-request-id", request_id), *_NOT_STORED, *guarded]
            async with asyncio.timeout(_UNREAD):  # a client that does not read is disconnected
                await send(message)

        with structlog.contextvars.bound_contextvars(request_id=scope["state"]["request_id"]):
            await self._app(
                {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope,
                receive,
                enveloped,
            )
