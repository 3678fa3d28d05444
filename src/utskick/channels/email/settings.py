"""The settings of the e-mail channel: senders, limits, signing keys and accounts."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from utskick.channels.email import requests
from utskick.channels.email.addresses import wire_domain
from utskick.domain.rules import Line

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
    accounts: dict[str, AccountSettings] = {}
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

    def accounts_of(self, municipality_id: str) -> tuple[str, ...]:
        """First choice first: by priority, then as they are listed."""
        names = self.municipalities.get(municipality_id, list(self.accounts))
        return tuple(sorted(names, key=lambda name: self.accounts[name].priority))
