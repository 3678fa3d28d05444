"""What the push tests stand on: the sandbox's services or servers that answer as told,
subscriptions in memory, the real channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.contracts.faulty_server import FaultyServer, Reply, text
from tests.contracts.provider import PATIENCE, SECRET
from utskick.channels.push.channel import PushChannel, build
from utskick.channels.push.requests import PushRequest
from utskick.channels.push.settings import PushSettings
from utskick.domain.channel import Draft, Plan, RequestContext
from utskick.domain.directory_ports import Directory, Neighbours, Subscription
from utskick.domain.outcome import Deferred, Outcome
from utskick.domain.recipient import Recipient
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.faults import Faults
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.push.device import Browser
from utskick.sandbox.push.server import PushSimulator, section

PARTY = "0190b1c2-0000-7000-8000-00000000a11a"
CONTENT = {"title": "Biblioteket", "message": "Din bok finns att hämta."}
APPS = {"provider": "fcm", "project": "app", "service_account_file": "/none.json"}


def body(*parties: str, **more: Any) -> dict[str, Any]:
    return {"party": {"partyIds": list(parties or (PARTY,))}, **CONTENT, **more}


def vapid_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def draft(destination: str, **content: Any) -> Draft:
    return Draft("2281", {**CONTENT, **content}, Recipient(destination, PARTY))


class Devices:
    """``domain.people.Subscriptions`` of the test. ``away``: nobody can tell now."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], list[Subscription]] = {}
        self.removed: list[str] = []
        self.away: Deferred | None = None

    def add(
        self,
        kind: str,
        address: Mapping[str, str],
        party: str = PARTY,
        municipality_id: str = "2281",
    ) -> str:
        """The destination of a delivery to it."""
        made = Subscription(str(uuid4()), kind, address)
        self.held.setdefault((municipality_id, party), []).append(made)
        return f"device:{kind}:{made.id}"

    async def of(self, municipality_id: str, party_id: str) -> list[Subscription] | Deferred:
        return self.away or list(self.held.get((municipality_id, party_id), []))

    async def get(
        self, municipality_id: str, subscription_id: str
    ) -> Subscription | Deferred | None:
        ours = [s for (m, _), held in self.held.items() if m == municipality_id for s in held]
        return self.away or next((s for s in ours if s.id == subscription_id), None)

    async def gone(self, municipality_id: str, subscription_id: str) -> None:
        self.removed.append(subscription_id)
        for (where, _), held in self.held.items():
            if where == municipality_id:
                held[:] = [s for s in held if s.id != subscription_id]


def channel(devices: Devices, **accounts: dict[str, Any]) -> PushChannel:
    nobody = cast(Directory, None)  # the push channel asks the directory nothing
    return build(PushSettings.model_validate({"accounts": accounts}), Neighbours(nobody, devices))


def planned(made: PushChannel, **more: Any) -> Plan:
    return made.plan(PushRequest.model_validate(body(**more)), RequestContext("2281"))


_KEYS: dict[str, bytes] = {}


class SandboxStage:
    """The sandbox's push services on a port of their own, with the channel in front of them."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.faults, self.devices = Ledger(), Faults(), Devices()
        self._folder = folder

    async def open(self) -> SandboxStage:
        self.push = PushSimulator(
            self.ledger, self.faults, SandboxAddresses(0, 0, self._folder, "http://127.0.0.1:1")
        )
        app = web.Application()
        app.add_routes(self.push.routes())
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        await self._start()
        assert self.server.port is not None
        self.place = SandboxAddresses(self.server.port, 0, self._folder, "http://127.0.0.1:1")
        self.base = f"http://127.0.0.1:{self.server.port}"
        self.session = aiohttp.ClientSession()
        self.channel = self._build()
        return self

    async def _start(self) -> None:
        """With the keys that the first stage has made: to make them takes longer than any test."""
        keys = self._folder / "push"
        keys.mkdir()
        for name, data in _KEYS.items():
            (keys / name).write_bytes(data)
            (keys / name).chmod(0o600)
        await self.push.start()
        _KEYS.update({file.name: file.read_bytes() for file in keys.iterdir()})

    def _build(self) -> PushChannel:
        accounts = {
            name: {**account, **PATIENCE}
            for name, account in section(self.place)["accounts"].items()
        }
        return channel(self.devices, **accounts)

    async def close(self) -> None:
        await self.channel.close()
        await self.session.close()
        await self.push.close()
        await self.server.close()

    async def browser(self, name: str) -> str:
        """A new device of the party; gives the destination of a delivery to it."""
        async with self.session.post(f"{self.base}/push/devices", json={"name": name}) as answer:
            assert answer.status == 201
            made = await answer.json()
        return self.devices.add(
            "webpush", {member: made[member] for member in ("endpoint", "p256dh", "auth")}
        )

    def app(self, token: str) -> str:
        return self.devices.add("fcm", {"token": token})

    async def send(self, destination: str, key: UUID | None = None, **content: Any) -> Outcome:
        kind = destination.split(":")[1]
        return await self.channel.send(draft(destination, **content), key or uuid4(), kind)

    def received(self, recipient: str) -> list[Any]:
        return self.ledger.of("push", recipient)


class ServerStage(FaultyServer):
    """A push service of the test, with the channel in front of it. ``answers``: its replies.

    ``read``: returns the delivery's id in the body of a call.
    """

    carries_key = True
    names_retry_time = True

    def __init__(self, answers: dict[str, Reply], read: Callable[[bytes], str]) -> None:
        super().__init__({"throttle": text(429, Retry_After="30"), **answers}, text(500))
        self.token_name = SECRET
        self.devices = Devices()
        self._read = read

    async def open(
        self,
        kind: str,
        address: Callable[[str], Mapping[str, str]],
        account: Callable[[str], dict[str, Any]],
    ) -> ServerStage:
        await self.open_server("/token")
        self.base = self.url().rstrip("/")
        self.kind = kind
        self.destination = self.devices.add(kind, address(self.base))
        swift = {"provider": kind, **PATIENCE}
        self.channel = channel(self.devices, **{kind: {**swift, **account(self.base)}})
        return self

    async def close(self) -> None:
        await self.channel.close()
        await self.close_server()

    async def misbehave(self, how: str) -> None:
        await super().misbehave("no-http" if how == "garbage" else how)

    async def send(self, key: object, **content: Any) -> Outcome:
        assert isinstance(key, UUID)
        return await self.channel.send(draft(self.destination, **content), key, self.kind)

    def key_of(self, body: bytes) -> str:
        return self._read(body)


#: A browser of the test, whose keys the test holds.
BROWSER = Browser("annas-dator")
