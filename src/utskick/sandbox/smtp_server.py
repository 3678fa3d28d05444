"""SMTP server with STARTTLS, AUTH, SIZE and SMTPUTF8, which accepts every recipient."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from utskick.domain.ids import new_id
from utskick.sandbox.faults import Faults, ProviderFault
from utskick.sandbox.ledger import Ledger
from utskick.sandbox.received_mail import PROVIDER, to_received

#: Announced maximum message size in bytes (RFC 1870).
SIZE_LIMIT = 50 * 1024 * 1024

#: Replies according to RFC 5321 section 4.2 and RFC 3463.
_RCPT_REPLIES = {
    ProviderFault.REFUSE: "550 5.1.1 No such mailbox here",
    ProviderFault.THROTTLE: "450 4.7.1 Too much mail, come again later",
    ProviderFault.TEMPORARY: "451 4.3.0 Something here is broken for the moment",
    ProviderFault.FULL: "452 4.2.2 The mailbox is full",
    ProviderFault.LOGIN: "535 5.7.8 Authentication credentials invalid",
}
_DATA_FAULTS = (ProviderFault.TIMEOUT, ProviderFault.DROP, ProviderFault.GARBAGE)
_GARBAGE = "<html><h1>It works!</h1></html>"

_VALID = timedelta(days=365)
_RENEWED_BEFORE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class SmtpLogin:
    """Credentials for AUTH; mail is also accepted without AUTH."""

    username: str = "sandbox"
    password: str = "sandbox"  # noqa: S105

    def matches(self, credentials: LoginPassword) -> bool:
        return all(
            hmac.compare_digest(given, expected.encode())
            for given, expected in (
                (credentials.login, self.username),
                (credentials.password, self.password),
            )
        )


class _Envelope(Envelope):
    """Envelope with the fault that applies after its content."""

    fault: ProviderFault | None = None


class _Connection(SMTP):
    """Connection that registers itself while it is open."""

    def __init__(self, *args: Any, connections: set[_Connection], **options: Any) -> None:
        super().__init__(*args, **options)
        self._connections = connections

    def _create_envelope(self) -> _Envelope:
        return _Envelope()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        super().connection_lost(error)

    def drop_connection(self) -> None:
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()


class _MailHandler:
    """aiosmtpd handler: applies faults, and adds messages to the ledger."""

    def __init__(self, ledger: Ledger, faults: Faults) -> None:
        self._ledger = ledger
        self._faults = faults

    async def handle_RCPT(
        self,
        _server: SMTP,
        _session: Session,
        envelope: _Envelope,
        address: str,
        options: list[str],
    ) -> str:
        rule = self._faults.apply(PROVIDER, address)
        if rule is not None and rule.fault in _RCPT_REPLIES:
            return _RCPT_REPLIES[rule.fault]
        if rule is not None and rule.fault in _DATA_FAULTS:
            envelope.fault = rule.fault
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: _Envelope) -> str:
        reference = new_id().hex
        for recipient in envelope.rcpt_tos:
            self._ledger.add(to_received(recipient, envelope.original_content or b"", reference))
        if envelope.fault is ProviderFault.GARBAGE:
            return _GARBAGE
        if envelope.fault is ProviderFault.DROP:
            cast(_Connection, server).drop_connection()
        if envelope.fault is not None:
            await asyncio.Event().wait()  # cancelled by the server when the client leaves
        return f"250 2.0.0 Ok: queued as {reference}"


class MailServer:
    """Mail server in the running event loop.

    ``folder`` holds the certificate; clients must trust ``ca_file``.
    """

    def __init__(
        self, ledger: Ledger, faults: Faults, folder: Path, login: SmtpLogin | None = None
    ) -> None:
        self.login = login or SmtpLogin()
        self._handler = _MailHandler(ledger, faults)
        self._certificate = _Certificate(folder)
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def ca_file(self) -> Path:
        return self._certificate.file

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the mail server has not been started")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        # its log lines contain senders and recipients
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        tls = await asyncio.to_thread(self._certificate.context)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol_factory(tls, loop), host, port)

    def _protocol_factory(
        self, tls: ssl.SSLContext, loop: asyncio.AbstractEventLoop
    ) -> Callable[[], _Connection]:
        return lambda: _Connection(
            self._handler,
            connections=self._connections,
            loop=loop,
            hostname="sandbox.invalid",
            ident="Utskick sandbox, nothing leaves this machine",
            tls_context=tls,
            authenticator=self._authenticate,
            enable_SMTPUTF8=True,
            data_size_limit=SIZE_LIMIT,
        )

    def _authenticate(
        self,
        _server: SMTP,
        _session: Session,
        _envelope: Envelope,
        _mechanism: str,
        credentials: Any,
    ) -> AuthResult:
        return AuthResult(
            success=isinstance(credentials, LoginPassword) and self.login.matches(credentials),
            handled=False,
        )

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.drop_connection()
        await self._server.wait_closed()
        self._server = None


class _Certificate:
    """Self-signed certificate for localhost and the loopback addresses; clients trust ``file``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file = folder / "mailbox-ca.pem"
        self._key_file = folder / "mailbox-key.pem"

    def context(self) -> ssl.SSLContext:
        """Return the server's TLS context; create the certificate if it is missing or expiring."""
        if not self._is_valid():
            self._create()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.file, self._key_file)
        return context

    def _is_valid(self) -> bool:
        if not (self.file.exists() and self._key_file.exists()):
            return False
        try:
            certificate = x509.load_pem_x509_certificate(self.file.read_bytes())
        except ValueError:
            return False
        return certificate.not_valid_after_utc - _RENEWED_BEFORE > datetime.now(UTC)

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._folder.mkdir(parents=True, exist_ok=True)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._key_file.unlink(missing_ok=True)
        with os.fdopen(
            os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        ) as file:
            file.write(pem)
        self.file.write_bytes(_self_signed(key).public_bytes(serialization.Encoding.PEM))


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a certificate with the extensions of RFC 5280 sections 4.1 and 4.2.1."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Utskick sandbox")])
    now = datetime.now(UTC)
    names = [
        x509.DNSName("localhost"),
        *(x509.IPAddress(ip_address(a)) for a in ("127.0.0.1", "::1")),
    ]
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
