"""How a simulator over HTTP misbehaves on request: the script of faults before its own magic
recipients, and what each fault looks like."""

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

#: Seconds between looks at whether the client of a held connection has left.
_GLANCE: Final = 0.02


class Misconduct:
    """Of one provider. ``magic``: its recipients that misbehave by their own name; ``patterns``:
    rules for all whose name is like that."""

    def __init__(
        self,
        provider: str,
        script: Faults,
        magic: Mapping[str, FaultRule],
        patterns: Iterable[FaultRule] = (),
    ) -> None:
        self._provider = provider
        self._script = script
        self._magic = Faults()
        for recipient, rule in magic.items():
            self._magic.add(replace(rule, recipient=rf"\A{re.escape(recipient)}\Z"))
        for rule in patterns:
            self._magic.add(rule)
        self._silence = Silence()

    def strike(self, recipient: str) -> FaultRule | None:
        """The rule that strikes this call. Counts it."""
        return self._script.strike(self._provider, recipient) or self._magic.strike(
            self._provider, recipient
        )

    async def silence(self, request: web.Request, rule: FaultRule | None) -> web.Response | None:
        """What stands in place of the answer to a message that was taken. None: a plain answer."""
        return await self._silence.instead(request, rule)

    def close(self) -> None:
        """Held connections end now."""
        self._silence.close()


class Silence:
    """What stands in place of an answer: nothing, a broken connection, or what nobody can read."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    async def instead(self, request: web.Request, rule: FaultRule | None) -> web.Response | None:
        """None: a plain answer."""
        match rule:
            case FaultRule(fault=ProviderFault.TIMEOUT):
                return await self._hold(request, rule.seconds)
            case FaultRule(fault=ProviderFault.DROP):
                return hang_up(request)
            case FaultRule(fault=ProviderFault.GARBAGE):
                return _mumble(request)
        return None

    def close(self) -> None:
        """Held connections end now."""
        self._closed.set()

    async def _hold(self, request: web.Request, seconds: float) -> web.Response:
        end = time.monotonic() + seconds
        while request.transport is not None and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), _GLANCE)
                break
        return hang_up(request)


def throttled(rule: FaultRule, body: bytes = b"", content_type: str = "text/plain") -> web.Response:
    """HTTP 429 with the time to come back (RFC 6585 section 4)."""
    return web.Response(
        status=429,
        body=body,
        content_type=content_type,
        headers={"Retry-After": str(math.ceil(rule.seconds))},
    )


def hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _mumble(request: web.Request) -> web.Response:
    """Bytes that are no HTTP."""
    if request.transport is not None:
        transport = cast(
            asyncio.WriteTransport, request.transport
        )  # uvloop's are not of that class, and can write all the same
        transport.write(b"<html>\x00\xff It works!\r\n\r\n")
        transport.close()
    return web.Response(status=500)
