"""Slack of the test: a real server on 127.0.0.1 that answers as told, and the real channel in front
of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.contracts.provider import PATIENCE, SECRET
from utskick.channels.slack.channel import SlackChannel, build
from utskick.channels.slack.settings import SlackSettings
from utskick.domain.channel import Draft
from utskick.domain.outcome import Outcome
from utskick.domain.recipient import Recipient
from utskick.outgoing.http_client import ANSWER_LIMIT

OURS, BROUGHT = f"xoxb-ours-{SECRET}", f"xoxb-brought-{SECRET}"
Make = Callable[[], web.Response]


def channel(**accounts: dict[str, Any]) -> SlackChannel:
    return build(SlackSettings(accounts=accounts))  # type: ignore[arg-type]


def account(url: str = "http://127.0.0.1:9", **more: Any) -> dict[str, Any]:
    return {"provider": "slack", "url": url, "token": OURS, **PATIENCE, **more}


def draft(
    message: str = "Servern är *nere*.", *, brought: bool = False, secret: bytes | None = None
) -> Draft:
    content = {"message": message, **({"_brought": True} if brought else {})}
    return Draft(
        "2281",
        content,
        Recipient("#drift"),
        secret=BROUGHT.encode() if brought and secret is None else secret,
    )


def json(status: int, members: object, **headers: str) -> Make:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: web.Response(
        status=status, body=orjson.dumps(members), content_type="application/json", headers=named
    )


def no(error: str) -> Make:
    return json(200, {"ok": False, "error": error})


ANSWERS: dict[str, Make] = {
    "well": json(
        200, {"ok": True, "channel": "C1", "ts": "1503435956.000247", "message": {"text": "x"}}
    ),
    "throttle": json(429, {"ok": False, "error": "ratelimited"}, Retry_After="30"),
    "temporary": no("service_unavailable"),
    "login": no("invalid_auth"),
    "refuse": no("channel_not_found"),
    "garbage": lambda: web.Response(text="<html>It works!</html>"),
    "no-ts": json(200, {"ok": True}),
    "yes-and-no": json(200, {"ok": "true", "ts": "1.0"}),
    "10-megabytes": lambda: web.Response(
        body=b'{"ok": true, "ts": "1.0", "x": "' + b"x" * 10_000_000 + b'"}'
    ),
    "throttle-in-200": json(200, {"ok": False, "error": "ratelimited"}, Retry_After="7"),
    "revoked": no("token_revoked"),
    "401": lambda: web.Response(status=401),
    "500": lambda: web.Response(status=500, text="oops"),
    "504": lambda: web.Response(status=504, text="oops"),
    "yes-in-500": json(500, {"ok": True, "ts": "1.0"}),
}


class SlackStage:
    """``misbehave`` with a word of ``ANSWERS``, or with how the connection fails."""

    carries_key = True
    names_retry_time = True

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.calls: list[web.BaseRequest] = []
        self.asked: list[dict[str, Any]] = []
        self._how = "well"
        self._over = asyncio.Event()

    async def open(self) -> SlackStage:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        self.channel = channel(ours=account(str(self.server.make_url("/api/"))))
        return self

    async def close(self) -> None:
        self._over.set()
        await self.channel.close()
        await self.server.close()

    async def misbehave(self, how: str) -> None:
        self._how = how
        if how == "gone":
            await self.server.close()

    async def send(
        self, key: object, *, brought: bool = False, message: str = "Servern är *nere*."
    ) -> Outcome:
        assert isinstance(key, UUID)
        return await self.channel.send(draft(message, brought=brought), key, "ours")

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.calls.append(request)
        self.asked.append(orjson.loads(body) if body else {})
        self.keys.append(self.asked[-1].get("client_msg_id", ""))
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        if self._how == "timeout":
            await asyncio.wait_for(self._over.wait(), 30)
        elif self._how == "drop":
            transport.abort()
        elif self._how == "oversized":
            return web.Response(body=b"x" * (ANSWER_LIMIT + 1))
        return ANSWERS.get(self._how, ANSWERS["500"])()
