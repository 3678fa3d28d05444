"""A provider of the test: a real server on 127.0.0.1 that answers as told, and the real channel in
front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.contracts.provider import PATIENCE, SECRET
from utskick.channels.sms.channel import SmsChannel, build
from utskick.channels.sms.settings import SmsSettings
from utskick.domain.channel import Draft
from utskick.domain.outcome import Outcome
from utskick.domain.recipient import Recipient
from utskick.outgoing.http_client import ANSWER_LIMIT

NUMBER = "+46701740605"
Make = Callable[[], web.Response]

ACCOUNTS: dict[str, dict[str, Any]] = {
    "link": {
        "provider": "link",
        "username": "municipality",
        "password": SECRET,
        "platform_id": "SMSC",
        "partner_id": "12345",
    },
    "telia": {"provider": "telia", "client_id": "municipality", "client_secret": SECRET},
    "elks": {"provider": "46elks", "username": "municipality", "password": SECRET},
}


def account(name: str, base: str, **more: Any) -> dict[str, Any]:
    members = {**ACCOUNTS[name], "url": base, **PATIENCE, **more}
    return {**members, "token_url": base.rstrip("/") + "/token"} if name == "telia" else members


def channel(**accounts: dict[str, Any]) -> SmsChannel:
    return build(SmsSettings(public_url="https://utskick.example.se", accounts=accounts))


def draft(number: str = NUMBER, **content: Any) -> Draft:
    return Draft(
        "2281",
        {"message": "Din bok finns att hämta.", "_sender": "Utskick", **content},
        Recipient(number),
    )


def json(status: int, members: object) -> Make:
    return lambda: web.Response(
        status=status, body=orjson.dumps(members), content_type="application/json"
    )


def text(status: int, words: str, **headers: str) -> Make:
    return lambda: web.Response(
        status=status,
        text=words,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


class ServerStage:
    """``answers``: what the provider says, by how it behaves. The rest is the same for all of
    them."""

    def __init__(
        self, name: str, answers: dict[str, Make], *, carries_key: bool, **more: Any
    ) -> None:
        self.name = name
        self.answers = answers
        self.carries_key = carries_key
        self.names_retry_time = True
        self.keys: list[str] = []
        self.calls: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []
        self.tokens_given = 0
        self.token_answers: list[Make] = []
        self._more = more
        self._how = "well"
        self._over = asyncio.Event()

    async def open(self) -> ServerStage:
        app = web.Application()
        app.router.add_post("/token", self._give_token)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        self.channel = channel(
            **{self.name: account(self.name, str(self.server.make_url("/")), **self._more)}
        )
        return self

    async def close(self) -> None:
        self._over.set()
        await self.channel.close()
        await self.server.close()

    async def misbehave(self, how: str) -> None:
        self._how = how
        if how == "gone":
            await self.server.close()

    async def send(self, key: object, **content: Any) -> Outcome:
        assert isinstance(key, UUID)
        return await self.channel.send(draft(**content), key, self.name)

    def asked(self, number: int = -1) -> dict[str, Any]:
        """The members of one call's body."""
        body = self.bodies[number]
        return orjson.loads(body) if body.startswith(b"{") else dict(parse_qsl(body.decode()))

    async def _give_token(self, request: web.Request) -> web.Response:
        self.tokens_given += 1
        if self.token_answers:
            return self.token_answers.pop(0)()
        return json(
            200,
            {
                "access_token": f"token-{self.tokens_given}",
                "token_type": "Bearer",
                "expires_in": 3600,
            },
        )()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.calls.append(request)
        self.bodies.append(body)
        asked = self.asked()
        self.keys.append(asked.get("refId") or asked.get("whendelivered") or "")
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        if self._how == "timeout":
            await asyncio.wait_for(self._over.wait(), 30)
        elif self._how == "drop":
            transport.abort()
        elif self._how == "oversized":
            return web.Response(body=b"x" * (ANSWER_LIMIT + 1))
        elif self._how == "no-http":
            transport.write(b"\x00\x01 nothing that HTTP knows\r\n\r\n")
            transport.close()
        if self._how == "throttle":
            return text(429, "slow down", Retry_After="30")()
        return self.answers.get(self._how, text(500, ""))()
