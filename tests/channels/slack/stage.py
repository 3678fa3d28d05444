"""Slack of the test: a real server on 127.0.0.1 that answers as told, and the real channel in front
of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from aiohttp import web

from tests.contracts.faulty_server import FaultyServer, Reply, json
from tests.contracts.provider import PATIENCE, SECRET
from utskick.channels.slack.channel import SlackChannel, build
from utskick.channels.slack.settings import SlackSettings
from utskick.domain.channel import Draft
from utskick.domain.outcome import Outcome
from utskick.domain.recipient import Recipient

OURS, BROUGHT = f"xoxb-ours-{SECRET}", f"xoxb-brought-{SECRET}"


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


def no(error: str) -> Reply:
    return json(200, {"ok": False, "error": error})


ANSWERS: dict[str, Reply] = {
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


class SlackStage(FaultyServer):
    """Slack of the test, with the channel in front of it."""

    carries_key = True
    names_retry_time = True

    def __init__(self) -> None:
        super().__init__(ANSWERS, ANSWERS["500"])

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The members of each call."""
        return [orjson.loads(body) if body else {} for body in self.bodies]

    async def open(self) -> SlackStage:
        await self.open_server()
        self.channel = channel(ours=account(self.url("/api/")))
        return self

    async def close(self) -> None:
        await self.channel.close()
        await self.close_server()

    async def send(
        self, key: object, *, brought: bool = False, message: str = "Servern är *nere*."
    ) -> Outcome:
        assert isinstance(key, UUID)
        return await self.channel.send(draft(message, brought=brought), key, "ours")

    def key_of(self, body: bytes) -> str:
        return str(orjson.loads(body).get("client_msg_id", "")) if body else ""
