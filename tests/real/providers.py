"""Every provider that is called over HTTP, simulated, with the real channels in front of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import aiohttp
import orjson

from tests.channels.digital_invoice import stage as invoices
from tests.channels.digital_mail import stage as digital_mail
from tests.channels.email import wire as email
from tests.channels.push import stage as push
from tests.channels.slack import stage as slack
from tests.channels.sms import stage as sms
from tests.channels.web_message import stage as web_message
from utskick.channels.registry import CHANNELS
from utskick.directory.empty import EmptyDirectory
from utskick.domain.channel import Channel, Draft
from utskick.domain.directory_ports import Neighbours
from utskick.domain.ids import new_id
from utskick.domain.outcome import Outcome
from utskick.domain.preparation import Ready
from utskick.sandbox.addresses import SandboxAddresses
from utskick.sandbox.digital_mail.citizens import number
from utskick.sandbox.server import SandboxServer, sections

#: Accounts by channel: all that are called over HTTP.
ACCOUNTS: Final = {
    "sms": ("link", "telia", "46elks"),
    "email": ("graph",),
    "digital_invoice": ("kivra",),
    "digital_mail": ("sandbox",),
    "web_message": ("internal", "external"),
    "slack": ("slack",),
    "push": ("webpush", "fcm"),
}
EVERY: Final = tuple((name, account) for name, found in ACCOUNTS.items() for account in found)
PARTY: Final = "0190b1c2-0000-7000-8000-00000000b0b0"


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where the providers are reached. ``soap``: the port of digital mail."""

    port: int
    soap: int
    ca_file: str | None = None


class Providers:
    """The simulators in this process, and channels that reach them through an entrance."""

    def __init__(self, addresses: SandboxAddresses) -> None:
        self.sandbox = SandboxServer(addresses)
        self._addresses = addresses
        self._channels: list[Channel] = []
        self._devices = push.Devices()
        self._roll = invoices.Roll()

    async def __aenter__(self) -> Self:
        await self.sandbox.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel in self._channels:
            await channel.close()
        await self.sandbox.close()

    def channels(self, entrance: Entrance) -> Mapping[str, Channel]:
        """Return the channels whose accounts reach the providers through the entrance."""
        place = replace(self._addresses, http_port=entrance.port, https_port=entrance.soap)
        text = orjson.dumps(sections(place)).decode()
        if entrance.ca_file is not None:
            plain, secure = (
                f"{scheme}://127.0.0.1:{entrance.port}" for scheme in ("http", "https")
            )
            text = text.replace(plain, secure)
        found: dict[str, Any] = orjson.loads(text)
        return {name: self._build(name, found[name], entrance) for name in ACCOUNTS}

    def _build(self, name: str, section: dict[str, Any], entrance: Entrance) -> Channel:
        accounts = {}
        for account in ACCOUNTS[name]:
            settings = {**section["accounts"][account], "connect_timeout": 8, "read_timeout": 8}
            own = "ca_file" in settings or account == "webpush"  # whose services are public
            trusted = {} if own or not entrance.ca_file else {"ca_file": entrance.ca_file}
            accounts[account] = settings | trusted
        entry = CHANNELS[name]
        people: Any = {
            "digital_invoice": self._roll,
            "digital_mail": digital_mail.People({PARTY: number(30, "30")}),
            "web_message": web_message.Directory(),
        }.get(name, EmptyDirectory())
        ports = Neighbours(people, self._devices)
        channel = entry.build(
            entry.section.model_validate({**section, "accounts": accounts}), ports
        )
        self._channels.append(channel)
        return channel

    async def draft(self, channel: Channel, account: str, origins: tuple[str, str]) -> Draft:
        """Return a draft for the account.

        ``origins``: where a device subscribes, and in whose place its endpoint is called.
        """
        make: Callable[[], Awaitable[Draft]] = {
            "sms": lambda: _now(sms.draft("+46701740699")),
            "email": lambda: _now(email.draft()),
            "digital_invoice": lambda: _now(self._invoice(channel)),
            "digital_mail": lambda: _now(_digital_mail()),
            "web_message": lambda: _now(web_message.draft()),
            "slack": lambda: _now(slack.draft()),
            "push": lambda: self._push(account, origins),
        }[channel.name]
        return await make()

    def _invoice(self, channel: Any) -> Draft:
        party = self._roll.enter(invoices.person("30"))
        return invoices.draft_of(invoices.planned(channel, invoices.body(party)))

    async def _push(self, account: str, origins: tuple[str, str]) -> Draft:
        if account == "fcm":
            return push.draft(self._devices.add("fcm", {"token": "annas-telefon"}))
        browser = {"name": "annas-dator"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{origins[0]}/push/devices", json=browser) as answer,
        ):
            made = await answer.json()
        members = {name: made[name] for name in ("endpoint", "p256dh", "auth")}
        members["endpoint"] = members["endpoint"].replace(*origins)
        return push.draft(self._devices.add("webpush", members))


async def _now(draft: Draft) -> Draft:
    return draft


def _digital_mail() -> Draft:
    members = {
        "contentType": "text/plain",
        "body": "Hej",
        "subject": "Hej",
        "_organization": "2120002411",
    }
    return Draft("2281", members, email.Recipient("", PARTY))


async def send(channel: Channel, draft: Draft, account: str) -> Outcome:
    """Prepare and send, as the engine does."""
    key = new_id()
    prepared = await channel.prepare(draft, key)
    if not isinstance(prepared, Ready):
        assert not isinstance(prepared, tuple)
        return prepared  # type: ignore[return-value]
    frozen = prepared.frozen if prepared.frozen is not None else draft.frozen
    return await channel.send(replace(draft, frozen=frozen), key, account)
