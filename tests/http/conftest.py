"""A whole service in this process, over real HTTP, with the sandbox on free ports."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest
import uvicorn.server
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.http import tokens
from tests.http.answers import Declared
from utskick import bootstrap
from utskick.channels.digital_mail import key_pair
from utskick.sandbox.push import server as push_server
from utskick.store.database import Database


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Any
    json: Any
    text: str


class Client:
    """``call`` a path of the service, and look at what the citizens got."""

    def __init__(
        self, running: bootstrap.Running, session: aiohttp.ClientSession, token: str | None = None
    ) -> None:
        """``token``: sent with every call that has no Authorization header of its own; an empty one
        takes it away."""
        self.running = running
        self.token = token
        self._session = session
        self._declared = Declared(running.operations)

    @property
    def bearer(self) -> dict[str, str]:
        """The header with the token, for calls that are made elsewhere."""
        return {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {
            name: value
            for name, value in {**self.bearer, **named}.items()
            if value or name != "Authorization"
        }
        data = (
            {"data": body}
            if isinstance(body, str | bytes)
            else {"json": body}
            if body is not None
            else {}
        )
        if isinstance(body, str | bytes):
            named.setdefault("Content-Type", "application/json")
        async with self._session.request(
            method, self.running.api_url + path, headers=named, **data
        ) as answer:
            text = await answer.text()
            if "json" in answer.content_type and method != "HEAD":
                self._declared.check(method, path, answer.status, text)
            return Answer(
                answer.status,
                answer.headers,
                await answer.json(content_type=None) if "json" in answer.content_type else None,
                text,
            )

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.call("POST", path, body, **headers)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.call("GET", path, None, **headers)

    async def until(self, path: str, holds: Callable[[Any], bool], within: float = 8.0) -> Any:
        """The answer's JSON, when it has come to this."""
        deadline = monotonic() + within
        while True:
            found = (await self.get(path)).json
            if holds(found):
                return found
            assert monotonic() < deadline, f"{path} is still {found}"
            await asyncio.sleep(0.05)

    async def outside(self, method: str, path: str, body: Any) -> Any:
        """A call to the sandbox itself."""
        async with self._session.request(
            method, self.running.viewer_url + path, json=body, raise_for_status=True
        ) as answer:
            return await answer.json()

    async def all_received(self, channel: str) -> list[dict[str, Any]]:
        async with self._session.get(
            f"{self.running.viewer_url}/ledger", params={"channel": channel}
        ) as answer:
            return list((await answer.json())["entries"])

    async def received(self, channel: str, recipient: str) -> list[dict[str, Any]]:
        async with self._session.get(
            f"{self.running.viewer_url}/ledger", params={"channel": channel, "recipient": recipient}
        ) as answer:
            return list((await answer.json())["entries"])


@pytest.fixture(scope="session", autouse=True)
def keys_read_once() -> Iterator[None]:
    """Reading an RSA key takes some 40 ms, and each service reads the same seven."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (key_pair, push_server):
            patch.setattr(module, "load_pem_private_key", cache(load_pem_private_key))
        yield


@pytest.fixture(scope="session", autouse=True)
def hasty_stops() -> Iterator[None]:
    """uvicorn rests for 0.1 s at every stop, and between two looks whether all has ended: a minute
    of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", Hasty())
        yield


class Hasty:
    """``asyncio``, with short rests."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.005))


#: The files of a sandbox that has just been started, by their paths: to make keys and certificates
#: takes longer than most tests.
_FURNITURE: dict[Path, bytes] = {}


def _furnish(sandbox: Path) -> None:
    """With what the first sandbox made. One that has been started before has its own."""
    if not sandbox.exists():
        for path, data in _FURNITURE.items():
            made = sandbox / path
            made.parent.mkdir(parents=True, exist_ok=True)
            made.touch(mode=0o600)
            made.write_bytes(data)


def _remember(sandbox: Path) -> None:
    if not _FURNITURE:
        _FURNITURE.update(
            {
                file.relative_to(sandbox): file.read_bytes()
                for file in sandbox.rglob("*")
                if file.is_file()
            }
        )


@asynccontextmanager
async def serving(
    database: Database, folder: Path, *, work: bool = True, **more: Any
) -> AsyncIterator[Client]:
    """``work``: with a worker in it. ``more``: tables of the settings beside or instead of those
    here."""
    settings = bootstrap.read_settings(
        None,
        over={
            "database": {"url": database.url},
            "vault": {"key": b64encode(bytes(32)).decode()},
            "data": {"folder": folder},
            "http": {"port": 0, "sync_wait": 4},
            "sandbox": {"http_port": 0, "smtp_port": 0, "https_port": 0, "sftp_port": 0},
            "retry": {
                "sms": {"first": 0.2, "ceiling": 1},
                "email": {"first": 0.2, "ceiling": 1},
                "digital_mail": {"first": 0.2, "ceiling": 1},
            },
            "worker": {"poll": 0.1, "grace": 1},
            "sms": {"segment_limit": 10},
            **more,
        },
    )
    _furnish(folder / "sandbox")
    async with (
        bootstrap.serving(settings, work=work) as running,
        # shorter than the server's own, so that no connection is used while it closes
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=3)) as session,
    ):
        _remember(folder / "sandbox")
        if not settings.section("auth").embedded:
            yield Client(running, session)
            return
        yield Client(
            running,
            session,
            await tokens.fetched(session, running.api_url, await tokens.client_of(database)),
        )


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(database, tmp_path) as found:
        yield found
