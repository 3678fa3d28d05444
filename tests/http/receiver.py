"""A receiver of webhooks on 127.0.0.1: verifies what comes as the Standard Webhooks library does,
and answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


@dataclass
class Receiver:
    """``answers``: status, or status and headers, of the calls to come; then 204. ``secrets``: one
    of them must have signed every call.

    ``by_their_clock``: False where a test moves our clock; then the time of a call is not held
    against the real one. ``hold``: seconds before each answer; ``gate``: all answers wait for it.
    """

    url: str = ""
    secrets: list[str] = field(default_factory=list)
    by_their_clock: bool = True
    answers: list[int | tuple[int, dict[str, str]]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    raw: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    hold: float = 0
    gate: asyncio.Event | None = None
    at_once: int = 0
    most_at_once: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """Events, or inbound messages, of the calls that were answered with success, in the order in
        which they came."""
        members = {"delivery.events": "events", "inbound.messages": "messages"}
        return [event for call in self.taken for event in call["data"][members[call["type"]]]]

    async def take(self, request: web.Request) -> web.StreamResponse:
        body, headers = await request.read(), dict(request.headers)
        self.raw.append((body, headers))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            found = self._verified(body, headers)
            self.ids.append(headers["webhook-id"])
            self.calls.append(found)
            if self.hold:
                await asyncio.sleep(self.hold)
            if self.gate is not None:
                await self.gate.wait()
            answer = self.answers.pop(0) if self.answers else 204
            status, more = answer if isinstance(answer, tuple) else (answer, {})
            if 200 <= status < 300:
                self.taken.append(found)
            return web.Response(status=status, headers=more)
        finally:
            self.at_once -= 1

    def _verified(self, body: bytes, headers: dict[str, str]) -> Any:
        if not self.by_their_clock:
            at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
            signed = [
                Webhook(secret).sign(headers["webhook-id"], at, body.decode())
                for secret in self.secrets
            ]
            assert set(signed) & set(headers["webhook-signature"].split())
            return orjson.loads(body)
        for secret in self.secrets[:-1]:
            try:
                return Webhook(secret).verify(body, headers)
            except WebhookVerificationError:  # the next may have signed it
                continue
        return Webhook(self.secrets[-1]).verify(body, headers)

    async def until(self, count: int, within: float = 6.0) -> list[dict[str, Any]]:
        """The first events that were taken, when there are so many."""
        async with asyncio.timeout(within):
            while len(self.events) < count:
                await asyncio.sleep(0.02)
        return self.events


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    found, app = Receiver(), web.Application()
    app.router.add_post("/{path:.*}", found.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()
