"""The settings of the e-mail channel: senders, limits, signing keys and accounts."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag, model_validator

from utskick.channels.email import requests
from utskick.channels.email.addresses import wire_domain
from utskick.domain.recipient import is_email
from utskick.domain.rules import Line
from utskick.outgoing.section import Address, Filled, HttpAccount, Secret

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


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sender(requests.Sender):
    """Whom a message is from when its request does not say."""

    model_config = ConfigDict(extra="forbid")


class SigningKey(_Section):
    """The DKIM key of a domain (RFC 6376): an RSA key in PEM, published under ``<selector>._domainkey.<domain>``."""

    selector: Domain
    key_file: Path


class AccountSettings(_Section):
    """One submission server (RFC 6409). Times in seconds, ``rate`` in messages a second."""

    provider: Literal["smtp"] = "smtp"
    host: str = Field(min_length=1)
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "plain"] = "starttls"
    ca_file: Path | None = None
    username: str | None = None
    password: SecretStr | None = None
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
        if self.ca_file is not None and self.security == "plain":
            raise ValueError("ca_file has no meaning where security is plain")
        return self


class GraphAccount(HttpAccount):
    """Microsoft Graph (application permission Mail.Send). ``mailbox``: who sends; None: the sender's own address.

    ``request_limit``: bytes of a request, 4 MB at Microsoft. A mail may have three quarters of it; a larger one is not given to this
    account, and is refused at the door where a municipality has no other.
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
    return account.get("provider", "smtp") if isinstance(account, dict) else getattr(account, "provider", None)


#: An account that names no provider is one of SMTP.
Account = Annotated[Annotated[AccountSettings, Tag("smtp")] | Annotated[GraphAccount, Tag("graph")], Discriminator(_provider)]


class EmailSettings(_Section):
    """``domains``: from which domains a municipality may send, when it is listed; a subdomain counts only when written.

    ``municipalities``: which accounts carry a municipality's e-mail; all of them when it is not listed.
    ``subject``: what a message in the short form is given when it has none. ``message_limit``: bytes of the whole message.
    """

    sender: Sender = Sender(name="Utskick", address="noreply@utskick.example")
    senders: dict[str, Sender] = {}
    domains: dict[str, list[Domain]] = {}
    subject: Line = "Meddelande"
    message_limit: int = Field(20 * 1024 * 1024, gt=0)
    accounts: dict[str, Account] = {}
    dkim: dict[Domain, SigningKey] = {}
    municipalities: dict[str, list[str]] = {}

    @model_validator(mode="after")
    def _has_a_sender(self) -> Self:
        if self.accounts and "sender" not in self.model_fields_set:
            raise ValueError("sender is needed where there are accounts: the name and address of those who name none")
        return self

    @model_validator(mode="after")
    def _known_accounts(self) -> Self:
        for municipality, names in self.municipalities.items():
            unknown = [name for name in names if name not in self.accounts]
            if unknown or not names:
                raise ValueError(f"municipalities.{municipality} must name accounts that exist; not {unknown}")
        return self

    def sender_of(self, municipality_id: str) -> Sender:
        return self.senders.get(municipality_id, self.sender)

    def may_send(self, municipality_id: str, domain: str) -> bool:
        allowed = self.domains.get(municipality_id)
        return allowed is None or domain in allowed

    def limit_of(self, municipality_id: str) -> int:
        """Bytes of a whole message: our own limit, or that of the account that takes the largest one."""
        limits = [_largest(self.accounts[name]) for name in self.accounts_of(municipality_id)]
        return min(self.message_limit, max((limit or self.message_limit for limit in limits), default=self.message_limit))

    def accounts_of(self, municipality_id: str) -> tuple[str, ...]:
        """First choice first: by priority, then as they are listed."""
        names = self.municipalities.get(municipality_id, list(self.accounts))
        return tuple(sorted(names, key=lambda name: self.accounts[name].priority))


def _largest(account: AccountSettings | GraphAccount) -> int | None:
    return account.largest if isinstance(account, GraphAccount) else None
