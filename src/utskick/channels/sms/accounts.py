"""Provider accounts: settings, provider and connection pool of each, behind one interface."""

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
from utskick.domain.channel import AccountHealth
from utskick.domain.receipt import Keep
from utskick.outgoing.http_client import HttpClient, HttpRequest, HttpResponse, Timeouts


class SmsAccount(Protocol):
    """The channel's interface to one provider account."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> Account: ...

    @property
    def provider(self) -> SmsProvider: ...

    def units(self, text: str) -> int:
        """Return how many units the account's ``rate`` counts for a text."""
        ...

    async def check(self) -> AccountHealth: ...

    def report_to(self, keep: Keep) -> None:
        """Set the callback that stores receipts received over the provider's own session."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class HttpSmsAccount:
    """An account called over HTTP; its delivery reports arrive as HTTP callbacks."""

    name: str
    settings: LinkAccount | TeliaAccount | ElksAccount
    provider: SmsProvider
    wire: HttpClient

    def units(self, text: str) -> int:  # noqa: ARG002
        """Return 1: the rate of a gateway is that of its calls."""
        return 1

    async def check(self) -> AccountHealth:
        answer = await self.wire.call(HttpRequest("GET", self.settings.url))
        if isinstance(answer, HttpResponse):
            return AccountHealth(self.name, True, f"the provider responds (HTTP {answer.status})")
        reason = getattr(answer, "reason", None)
        return AccountHealth(
            self.name, False, reason.sentence if reason else "the provider does not respond"
        )

    def report_to(self, keep: Keep) -> None:
        """Ignore the callback: delivery reports arrive through the HTTP API."""

    async def start(self) -> None:
        """Do nothing: connections are opened on demand."""

    async def close(self) -> None:
        await self.wire.close()


@dataclass(frozen=True, slots=True)
class SmppSmsAccount:
    """An account with a bound SMPP session."""

    name: str
    settings: SmppAccount
    provider: Smpp

    def units(self, text: str) -> int:
        return self.provider.units(text)

    async def check(self) -> AccountHealth:
        return await self.provider.check()

    def report_to(self, keep: Keep) -> None:
        self.provider.report_to(keep)

    async def start(self) -> None:
        await self.provider.start()

    async def close(self) -> None:
        await self.provider.close()


def open_account(name: str, account: Account, public_url: str | None) -> SmsAccount:
    """Build the account. ``public_url``: base address that providers send reports to."""
    if isinstance(account, SmppAccount):
        return SmppSmsAccount(name, account, Smpp(name, account))
    timeouts = Timeouts(account.connect_timeout, account.read_timeout)
    wire = HttpClient(
        concurrency=account.concurrency, timeouts=timeouts, tls=account.tls, reach=account.reach
    )
    if isinstance(account, LinkAccount):
        return HttpSmsAccount(name, account, LinkProvider(account, wire), wire)
    if isinstance(account, TeliaAccount):
        return HttpSmsAccount(name, account, Telia(account, wire), wire)
    report_url = _report_url(name, account.receipt_secret, public_url)
    return HttpSmsAccount(name, account, Elks(account, wire, report_url), wire)


def _report_url(name: str, secret: SecretStr | None, public_url: str | None) -> str | None:
    if public_url is None or secret is None:
        return None
    return f"{public_url}/receipts/sms/{name}/{quote(secret.get_secret_value(), safe='')}"
