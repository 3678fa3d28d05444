"""A provider of the test: a real server on 127.0.0.1 that answers as told, and the real channel in
front of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import orjson

from tests.contracts.faulty_server import FaultyServer, Reply, text
from tests.contracts.provider import PATIENCE, SECRET
from utskick.channels.sms.channel import SmsChannel, build
from utskick.channels.sms.settings import SmsSettings
from utskick.domain.channel import Draft
from utskick.domain.outcome import Outcome
from utskick.domain.recipient import Recipient

NUMBER = "+46701740605"

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


class ServerStage(FaultyServer):
    """An SMS provider of the test, with the channel in front of it. ``answers``: its replies."""

    names_retry_time = True

    def __init__(
        self, name: str, answers: dict[str, Reply], *, carries_key: bool, **more: Any
    ) -> None:
        super().__init__({"throttle": text(429, Retry_After="30"), **answers}, text(500))
        self.name = name
        self.carries_key = carries_key
        self._more = more

    async def open(self) -> ServerStage:
        await self.open_server("/token")
        self.channel = channel(**{self.name: account(self.name, self.url("/"), **self._more)})
        return self

    async def close(self) -> None:
        await self.channel.close()
        await self.close_server()

    async def send(self, key: object, **content: Any) -> Outcome:
        assert isinstance(key, UUID)
        return await self.channel.send(draft(**content), key, self.name)

    def asked(self, number: int = -1) -> dict[str, Any]:
        """The members of one call's body."""
        return _members(self.bodies[number])

    def key_of(self, body: bytes) -> str:
        members = _members(body)
        return str(members.get("refId") or members.get("whendelivered") or "")


def _members(body: bytes) -> dict[str, Any]:
    return orjson.loads(body) if body.startswith(b"{") else dict(parse_qsl(body.decode()))
