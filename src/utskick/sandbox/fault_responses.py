"""Fault injection for HTTP simulators: which fault applies to a call, and its response."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, cast

from aiohttp import web

from utskick.sandbox.faults import FaultRule, Faults, ProviderFault

#: Seconds between two checks of whether the client of a held connection has left.
_INTERVAL: Final = 0.02


class FaultInjector:
    """Fault injection of one provider.

    The script takes precedence over ``magic`` (recipient → rule) and over ``patterns`` (rules whose
    recipient is a regular expression).
    """

    def __init__(
        self,
        provider: str,
        script: Faults,
        magic: Mapping[str, FaultRule],
        patterns: Iterable[FaultRule] = (),
    ) -> None:
        self._provider = provider
        self._script = script
        self._built_in = Faults()
        for recipient, rule in magic.items():
            self._built_in.add(replace(rule, recipient=rf"\A{re.escape(recipient)}\Z"))
        for rule in patterns:
            self._built_in.add(rule)
        self._response_faults = ResponseFaults()

    def apply(self, recipient: str) -> FaultRule | None:
        """Return the rule that applies to this call, and count it."""
        return self._script.apply(self._provider, recipient) or self._built_in.apply(
            self._provider, recipient
        )

    async def faulty_response(
        self, request: web.Request, rule: FaultRule | None
    ) -> web.Response | None:
        """Return the response of a timeout, drop or garbage fault, or None to respond normally."""
        return await self._response_faults.response(request, rule)

    def close(self) -> None:
        """Release all held connections."""
        self._response_faults.close()


class ResponseFaults:
    """Responses of faults after acceptance: none, a dropped connection or garbage."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    async def response(self, request: web.Request, rule: FaultRule | None) -> web.Response | None:
        """Return the response of the fault, or None to respond normally."""
        match rule:
            case FaultRule(fault=ProviderFault.TIMEOUT):
                return await self._hold(request, rule.seconds)
            case FaultRule(fault=ProviderFault.DROP):
                return drop_connection(request)
            case FaultRule(fault=ProviderFault.GARBAGE):
                return _send_garbage(request)
        return None

    def close(self) -> None:
        """Release all held connections."""
        self._closed.set()

    async def _hold(self, request: web.Request, seconds: float) -> web.Response:
        end = time.monotonic() + seconds
        while request.transport is not None and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), _INTERVAL)
                break
        return drop_connection(request)


def throttled(rule: FaultRule, body: bytes = b"", content_type: str = "text/plain") -> web.Response:
    """Return HTTP 429 with Retry-After (RFC 6585 section 4)."""
    return web.Response(
        status=429,
        body=body,
        content_type=content_type,
        headers={"Retry-After": str(math.ceil(rule.seconds))},
    )


def drop_connection(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _send_garbage(request: web.Request) -> web.Response:
    """Send bytes that are not valid HTTP."""
    if request.transport is not None:
        transport = cast(
            asyncio.WriteTransport,
            request.transport,
            # uvloop's transports are writable without being subclasses.
        )
        transport.write(b"<html>\x00\xff It works!\r\n\r\n")
        transport.close()
    return web.Response(status=500)
