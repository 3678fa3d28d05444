"""The settings of the e-mail channel: senders, limits, signing keys and accounts."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from utskick.channels.email import requests
from utskick.channels.email.addresses import wire_domain
from utskick.channels.email.dkim_key import readable
from utskick.domain.recipient import is_email
from utskick.domain.validators import Line
from utskick.outgoing.settings_types import (
    Address,
    Certificates,
    ChannelSection,
    Filled,
    HttpAccount,
    Secret,
    Section,
    fault_at,
)

_HELO = re.compile(r"[!-~]{1,255}\Z")


def _greeting(name: str) -> str:
    if not _HELO.match(name):
        raise ValueError("must be a host name or an address literal, in ASCII and without spaces")
    return name


def _domain(name: str) -> str:
    try:
        return wire_domain(name)
    except ValueError as fault:
        raise ValueError("must be a domain name") from fault


Domain = Annotated[str, Field(min_length=1), AfterValidator(_domain)]


def _mailbox(address: str) -> str:
    if not is_email(address):
        raise ValueError("must be the address of a mailbox, or be left out")
    return address


class DefaultSender(requests.Sender):
    """Whom a message is from when its request does not say."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class DkimKey(Section):
    """The DKIM key of a domain (RFC 6376): an RSA key in PEM, published under
    ``<selector>._domainkey.<domain>``.

    The key stands in a file (``key_file``), or here (``key``).
    """

    selector: Domain
    key_file: Path | None = None
    key: Secret | None = None

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        self.need_one_of("key_file", "key")
        if self.key is not None:
            try:
                readable(self.key.get_secret_value().encode())
            except ValueError as fault:
                raise fault_at("key", str(fault)) from None
        return self


class AccountSettings(Section):
    """One submission server (RFC 6409). Times in seconds, ``rate`` in messages a second.

    ``ca_file``, or its contents in ``ca``: the authorities that its certificate is judged by,
    instead of the public ones.
    """

    provider: Literal["smtp"] = "smtp"
    host: str = Field(min_length=1)
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "plain"] = "starttls"
    ca_file: Path | None = None
    ca: Certificates | None = None
    username: str | None = None
    password: Secret | None = None
    priority: int = 1
    concurrency: int = Field(8, ge=1)
    rate: float | None = Field(None, gt=0)
    connect_timeout: float = Field(5, gt=0)
    read_timeout: float = Field(30, gt=0)
    messages_per_connection: int = Field(100, ge=1)
    idle_seconds: float = Field(20, gt=0)
    helo: Annotated[str, AfterValidator(_greeting)] | None = None

    @property
    def greeting(self) -> str:
        """What we call ourselves (RFC 5321 section 4.1.1.1)."""
        return self.helo or socket.gethostname() or "localhost"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if (given := self.one_of("ca_file", "ca")) and self.security == "plain":
            raise ValueError(f"{given} has no meaning where security is plain")
        return self


class GraphAccount(HttpAccount):
    """Microsoft Graph (application permission Mail.Send). ``mailbox``: who sends; None: the
    sender's own address.

    ``request_limit``: bytes of a request, 4 MB at Microsoft. A mail may have three quarters of it;
    a larger one is not given to this account, and is refused at the door where a municipality has
    no other.
    """

    provider: Literal["graph"]
    url: Address = "https://graph.microsoft.com/v1.0"
    login_url: Address = "https://login.microsoftonline.com"
    tenant_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")]
    client_id: Filled
    client_secret: Secret
    scope: Filled = "https://graph.microsoft.com/.default"
    mailbox: Annotated[str, AfterValidator(_mailbox)] | None = None
    request_limit: int = Field(4_000_000, ge=1024)
    #: Exchange Online answers four requests of an application to one mailbox at a time.
    concurrency: int = Field(4, ge=1, le=1000)
    read_timeout: float = Field(30.0, gt=0)

    @property
    def token_url(self) -> str:
        return f"{self.login_url}/{self.tenant_id}/oauth2/v2.0/token"

    @property
    def largest(self) -> int:
        """Bytes of the largest mail: in base64 it is a third longer."""
        return self.request_limit // 4 * 3


def _provider(account: Any) -> Any:
    return (
        account.get("provider", "smtp")
        if isinstance(account, dict)
        else getattr(account, "provider", None)
    )


#: An account that names no provider is one of SMTP.
Account = Annotated[
    Annotated[AccountSettings, Tag("smtp")] | Annotated[GraphAccount, Tag("graph")],
    Discriminator(_provider),
]


class EmailSettings(ChannelSection):
    """``domains``: from which a unit may send, None: from every one; a subdomain counts only when
    written.

    ``subject``: what a message in the short form is given when it has none. ``message_limit``:
    bytes of the whole message.
    """

    carried: ClassVar = frozenset({"sender", "domains", "subject", "message_limit"})

    sender: DefaultSender = DefaultSender(name="Utskick", address="noreply@utskick.example")
    domains: list[Domain] | None = None
    subject: Line = "Meddelande"
    message_limit: int = Field(20 * 1024 * 1024, gt=0)
    accounts: dict[str, Account] = {}
    dkim: dict[Domain, DkimKey] = {}

    @model_validator(mode="after")
    def _has_a_sender(self) -> Self:
        if self.accounts and "sender" not in self.model_fields_set:
            raise ValueError(
                "sender is needed where there are accounts: the name and address of those who name none"
            )
        return self

    @property
    def in_order(self) -> tuple[str, ...]:
        """The accounts, first choice first: by priority, then as they are listed."""
        return tuple(sorted(self.accounts, key=lambda name: self.accounts[name].priority))

    @property
    def limit(self) -> int:
        """Bytes of a whole message: our own limit, or that of the account that takes the largest
        one."""
        limits = [_largest(account) for account in self.accounts.values()]
        return min(
            self.message_limit,
            max((limit or self.message_limit for limit in limits), default=self.message_limit),
        )


def _largest(account: AccountSettings | GraphAccount) -> int | None:
    return account.largest if isinstance(account, GraphAccount) else None
