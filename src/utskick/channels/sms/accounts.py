"""One provider account each: its settings, its provider, and the connections that both share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from pydantic import SecretStr

from utskick.channels.sms.elks import Elks
from utskick.channels.sms.link import LinkProvider
from utskick.channels.sms.provider import SmsProvider
from utskick.channels.sms.settings import (
    Account,
    ElksAccount,
    LinkAccount,
    SmppAccount,
    TeliaAccount,
)
from utskick.channels.sms.smpp.account import Smpp
from utskick.channels.sms.telia import Telia
from utskick.domain.channel import AccountHealth, Keep
from utskick.outgoing.http_client import Answer, HttpRequest, Outgoing, Timeouts


class SmsAccount(Protocol):
    """What the channel knows of an account."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> Account: ...

    @property
    def provider(self) -> SmsProvider: ...

    async def look(self) -> AccountHealth: ...

    def report_to(self, keep: Keep) -> None:
        """Who keeps receipts that come over a connection of ours."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class HttpDesk:
    """An account that is called over HTTP, and calls back over HTTP."""

    name: str
    settings: LinkAccount | TeliaAccount | ElksAccount
    provider: SmsProvider
    wire: Outgoing

    async def look(self) -> AccountHealth:
        answer = await self.wire.call(HttpRequest("GET", self.settings.url))
        if isinstance(answer, Answer):
            return AccountHealth(self.name, True, f"the provider answers (HTTP {answer.status})")
        reason = getattr(answer, "reason", None)
        return AccountHealth(
            self.name, False, reason.sentence if reason else "the provider does not answer"
        )

    def report_to(self, keep: Keep) -> None:
        """Its reports come in by the API."""

    async def start(self) -> None:
        """Connections are opened when there is something to send."""

    async def close(self) -> None:
        await self.wire.close()


@dataclass(frozen=True, slots=True)
class SmppDesk:
    """An account that we are bound to."""

    name: str
    settings: SmppAccount
    provider: Smpp

    async def look(self) -> AccountHealth:
        return await self.provider.look()

    def report_to(self, keep: Keep) -> None:
        self.provider.report_to(keep)

    async def start(self) -> None:
        await self.provider.start()

    async def close(self) -> None:
        await self.provider.close()


def desk_of(name: str, account: Account, public_url: str | None) -> SmsAccount:
    """``public_url``: where providers call us back."""
    if isinstance(account, SmppAccount):
        return SmppDesk(name, account, Smpp(name, account))
    timeouts = Timeouts(account.connect_timeout, account.read_timeout)
    wire = Outgoing(concurrency=account.concurrency, timeouts=timeouts, tls=account.tls)
    if isinstance(account, LinkAccount):
        return HttpDesk(name, account, LinkProvider(account, wire), wire)
    if isinstance(account, TeliaAccount):
        return HttpDesk(name, account, Telia(account, wire), wire)
    return HttpDesk(
        name, account, Elks(account, wire, _gate(name, account.receipt_secret, public_url)), wire
    )


def _gate(name: str, secret: SecretStr | None, public_url: str | None) -> str | None:
    if public_url is None or secret is None:
        return None
    return f"{public_url}/receipts/sms/{name}/{quote(secret.get_secret_value(), safe='')}"
