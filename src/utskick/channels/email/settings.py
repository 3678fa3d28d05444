"""Settings section ``[email]``: default sender, limits, DKIM keys and accounts."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from utskick.channels.email import requests
from utskick.channels.email.addresses import LONGEST_LOCAL, is_deliverable, wire_domain
from utskick.domain.email_address import is_email
from utskick.domain.validators import Line
from utskick.outgoing.settings_types import (
    Address,
    Certificates,
    ChannelSection,
    HttpAccount,
    NonEmpty,
    PeerSection,
    Secret,
    Section,
    fault_at,
)

_HELO = re.compile(r"[!-~]{1,255}\Z")
#: RFC 8301 section 3.2: minimum key size of signers, in bits.
_SHORTEST: Final = 1024


def _greeting(name: str) -> str:
    if not _HELO.match(name):
        raise ValueError("must be a host name or an address literal, in ASCII without spaces")
    return name


def _domain(name: str) -> str:
    try:
        return wire_domain(name)
    except ValueError as fault:
        raise ValueError("must be a valid domain name") from fault


Domain = Annotated[str, Field(min_length=1), AfterValidator(_domain)]


def _mailbox(address: str) -> str:
    if not is_email(address):
        raise ValueError("must be a mailbox address, or be omitted")
    return address


def _bounce_address(address: str) -> str:
    if not (is_email(address) and address.isascii() and is_deliverable(address)):
        raise ValueError("must be a mailbox address in ASCII")
    return address


#: Octets that variable envelope return paths add to a local part: a plus sign and the id in hex.
_VERP_LENGTH: Final = 33


class DefaultSender(requests.EmailSender):
    """Sender of messages whose request names none."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def normalise_key(pem: bytes) -> bytes:
    """Return the key as unencrypted RFC 8017 PEM.

    Raises ``ValueError`` whose message reveals nothing of the input.
    """
    try:
        # The key's consistency is not verified: that takes longer than many signatures, and an
        # inconsistent key affects only its owner's mail.
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SHORTEST:
        raise ValueError(
            f"must be an RSA key in PEM of at least {_SHORTEST} bits, without a password"
        ) from None
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


class DkimKey(Section):
    """DKIM key of a domain (RFC 6376), published under ``<selector>._domainkey.<domain>``.

    An RSA key in PEM, in a file (``key_file``) or inline (``key``).
    """

    selector: Domain
    key_file: Path | None = None
    key: Secret | None = None

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        self.need_one_of("key_file", "key")
        if self.key is not None:
            try:
                normalise_key(self.key.get_secret_value().encode())
            except ValueError as fault:
                raise fault_at("key", str(fault)) from None
        return self


class AccountSettings(PeerSection):
    """A submission server (RFC 6409). Times in seconds, ``rate`` in messages per second.

    ``ca_file``, or its contents in ``ca``: CA certificates trusted instead of the public ones.
    ``connect_timeout``: of the TCP connection; ``banner_timeout``: of the TLS handshake, of the
    server's greeting and of STARTTLS; ``read_timeout``: of every other reply.
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
    banner_timeout: float = Field(30, gt=0)
    read_timeout: float = Field(30, gt=0)
    messages_per_connection: int = Field(100, ge=1)
    idle_seconds: float = Field(20, gt=0)
    helo: Annotated[str, AfterValidator(_greeting)] | None = None

    @property
    def greeting(self) -> str:
        """Host name sent in EHLO (RFC 5321 section 4.1.1.1)."""
        return self.helo or socket.gethostname() or "localhost"

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password must be set together")
        if (given := self.one_of("ca_file", "ca")) and self.security == "plain":
            raise ValueError(f"{given} must not be set where security is plain")
        return self


class GraphAccount(HttpAccount):
    """Microsoft Graph with the application permission Mail.Send.

    ``mailbox``: mailbox to send from, default the sender's own address. ``request_limit``: maximum
    size of a request in bytes, 4 MB at Microsoft. A message may take three quarters of it; a larger
    one is not routed to this account, and is refused on acceptance if there is no other.
    """

    provider: Literal["graph"]
    url: Address = "https://graph.microsoft.com/v1.0"
    login_url: Address = "https://login.microsoftonline.com"
    tenant_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")]
    client_id: NonEmpty
    client_secret: Secret
    scope: NonEmpty = "https://graph.microsoft.com/.default"
    mailbox: Annotated[str, AfterValidator(_mailbox)] | None = None
    request_limit: int = Field(4_000_000, ge=1024)
    #: Exchange Online serves four concurrent requests of an application to one mailbox.
    concurrency: int = Field(4, ge=1, le=1000)
    read_timeout: float = Field(30.0, gt=0)

    @property
    def token_url(self) -> str:
        return f"{self.login_url}/{self.tenant_id}/oauth2/v2.0/token"

    @property
    def largest(self) -> int:
        """Maximum size of a message in bytes; base64 adds a third."""
        return self.request_limit // 4 * 3


def _provider(account: Any) -> Any:
    return (
        account.get("provider", "smtp")
        if isinstance(account, dict)
        else getattr(account, "provider", None)
    )


#: An account without a provider is an SMTP account.
Account = Annotated[
    Annotated[AccountSettings, Tag("smtp")] | Annotated[GraphAccount, Tag("graph")],
    Discriminator(_provider),
]


class EmailSettings(ChannelSection):
    """Section ``[email]``.

    ``domains``: domains a unit may send from, None for any; subdomains must be listed.
    ``subject``: default in the short form. ``message_limit``: bytes of a composed message.
    ``envelope_sender``: address in MAIL FROM, to which bounces are returned (RFC 5321 section
    4.4), instead of the sender's; ``verp``: with the delivery's id in its local part
    (``bounces+<id>@…``), which tells whose message bounced. Both are of SMTP accounts only.
    """

    carried: ClassVar = frozenset({"sender", "domains", "subject", "message_limit"})

    sender: DefaultSender = DefaultSender(name="Utskick", address="noreply@utskick.example")
    domains: list[Domain] | None = None
    subject: Line = "Meddelande"
    message_limit: int = Field(20 * 1024 * 1024, gt=0)
    envelope_sender: Annotated[str, AfterValidator(_bounce_address)] | None = None
    verp: bool = False
    accounts: dict[str, Account] = {}
    dkim: dict[Domain, DkimKey] = {}

    @model_validator(mode="after")
    def _has_a_sender(self) -> Self:
        if self.accounts and "sender" not in self.model_fields_set:
            raise ValueError(
                "sender must be set where accounts are configured: it is the sender of requests"
                " that name none"
            )
        return self

    @model_validator(mode="after")
    def _has_room_for_the_id(self) -> Self:
        if not self.verp:
            return self
        if self.envelope_sender is None:
            raise fault_at("envelope_sender", "must be set where verp is true")
        if len(self.envelope_sender.rpartition("@")[0]) + _VERP_LENGTH > LONGEST_LOCAL:
            raise fault_at(
                "envelope_sender",
                f"must have at most {LONGEST_LOCAL - _VERP_LENGTH} characters before the @ where"
                " verp is true",
            )
        return self

    def return_path(self, sender: str, key: UUID) -> str:
        """Return the address in MAIL FROM of the delivery ``key`` from this sender."""
        if self.envelope_sender is None:
            return sender
        local, _, domain = self.envelope_sender.rpartition("@")
        return f"{local}+{key.hex}@{domain}" if self.verp else self.envelope_sender

    @property
    def in_order(self) -> tuple[str, ...]:
        """Names of the accounts by priority, then in the order of the settings."""
        return tuple(sorted(self.accounts, key=lambda name: self.accounts[name].priority))

    @property
    def limit(self) -> int:
        """Maximum size of a message in bytes: ``message_limit``, or what any account accepts."""
        limits = [_largest(account) for account in self.accounts.values()]
        return min(
            self.message_limit,
            max((limit or self.message_limit for limit in limits), default=self.message_limit),
        )


def _largest(account: AccountSettings | GraphAccount) -> int | None:
    return account.largest if isinstance(account, GraphAccount) else None
