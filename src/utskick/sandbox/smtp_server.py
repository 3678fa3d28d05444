"""The sandbox's mail server: SMTP with STARTTLS, AUTH, SIZE and SMTPUTF8, and a mailbox for
everybody."""

from __future__ import annotations

import asyncio
import email
import hmac
import logging
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTPUTF8
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
from utskick.sandbox.ledger import Ledger, Received

PROVIDER = "smtp"

#: What the server says it takes (RFC 1870), in bytes.
SIZE_LIMIT = 50 * 1024 * 1024

#: RFC 5321 section 4.2 and RFC 3463.
_AT_RECIPIENT = {
    ProviderFault.REFUSE: "550 5.1.1 No such mailbox here",
    ProviderFault.THROTTLE: "450 4.7.1 Too much mail, come again later",
    ProviderFault.TEMPORARY: "451 4.3.0 Something here is broken for the moment",
    ProviderFault.LOGIN: "535 5.7.8 Authentication credentials invalid",
}
_AT_CONTENT = (ProviderFault.TIMEOUT, ProviderFault.DROP, ProviderFault.GARBAGE)
_GARBAGE = "<html><h1>It works!</h1></html>"

_VALID = timedelta(days=365)
_RENEWED_BEFORE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class SmtpLogin:
    """What AUTH must show; mail is taken without AUTH too."""

    username: str = "sandbox"
    password: str = "sandbox"  # noqa: S105

    def fits(self, shown: LoginPassword) -> bool:
        return all(
            hmac.compare_digest(said, kept.encode())
            for said, kept in ((shown.login, self.username), (shown.password, self.password))
        )


class _Envelope(Envelope):
    """With the fault that is to strike when its content has come."""

    fault: ProviderFault | None = None


class _Line(SMTP):
    """A connection that tells when it comes and goes."""

    def __init__(self, *args: Any, lines: set[_Line], **options: Any) -> None:
        super().__init__(*args, **options)
        self._lines = lines

    def _create_envelope(self) -> _Envelope:
        return _Envelope()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._lines.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._lines.discard(self)
        super().connection_lost(error)

    def hang_up(self) -> None:
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()


class _Post:
    """What the server does with an envelope: asks the faults, and delivers to the ledger."""

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
        rule = self._faults.strike(PROVIDER, address)
        if rule is not None and rule.fault in _AT_RECIPIENT:
            return _AT_RECIPIENT[rule.fault]
        if rule is not None and rule.fault in _AT_CONTENT:
            envelope.fault = rule.fault
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: _Envelope) -> str:
        reference = new_id().hex
        for recipient in envelope.rcpt_tos:
            self._ledger.add(read(recipient, envelope.original_content or b"", reference))
        if envelope.fault is ProviderFault.GARBAGE:
            return _GARBAGE
        if envelope.fault is ProviderFault.DROP:
            cast(_Line, server).hang_up()
        if envelope.fault is not None:
            await asyncio.Event().wait()  # until the client leaves, when the server cancels this
        return f"250 2.0.0 Ok: queued as {reference}"


def read(recipient: str, raw: bytes, reference: str) -> Received:
    """A message as its recipient sees it."""
    message = email.message_from_bytes(raw, policy=SMTPUTF8)
    return Received(
        channel="email",
        provider=PROVIDER,
        recipient=recipient,
        sender=_header(message, "From") or "",
        text=_text(message),
        key=next(
            (
                str(value).strip()
                for name, value in message.raw_items()
                if name.lower() == "message-id"
            ),
            None,
        ),
        reference=reference,
        subject=_header(message, "Subject"),
        raw=raw,
    )


def _header(message: EmailMessage, name: str) -> str | None:
    value = message.get(name)
    return None if value is None else str(value)


def _text(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError):  # a charset that nobody knows
        return repr(part.get_payload(decode=True))


class MailServer:
    """``folder`` keeps the certificate; ``ca_file`` is what a client has to trust. Runs in the loop
    that starts it."""

    def __init__(
        self, ledger: Ledger, faults: Faults, folder: Path, login: SmtpLogin | None = None
    ) -> None:
        self.login = login or SmtpLogin()
        self._post = _Post(ledger, faults)
        self._certificate = _Certificate(folder)
        self._lines: set[_Line] = set()
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
        # Its lines name senders and recipients.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        tls = await asyncio.to_thread(self._certificate.context)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._line(tls, loop), host, port)

    def _line(self, tls: ssl.SSLContext, loop: asyncio.AbstractEventLoop) -> Callable[[], _Line]:
        return lambda: _Line(
            self._post,
            lines=self._lines,
            loop=loop,
            hostname="sandbox.invalid",
            ident="Utskick sandbox, nothing leaves this machine",
            tls_context=tls,
            authenticator=self._authenticate,
            enable_SMTPUTF8=True,
            data_size_limit=SIZE_LIMIT,
        )

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, shown: Any
    ) -> AuthResult:
        return AuthResult(
            success=isinstance(shown, LoginPassword) and self.login.fits(shown), handled=False
        )

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for line in tuple(self._lines):
            line.hang_up()
        await self._server.wait_closed()
        self._server = None


class _Certificate:
    """``file``: what a client trusts. It names localhost and the loopback addresses only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file = folder / "mailbox-ca.pem"
        self._key_file = folder / "mailbox-key.pem"

    def context(self) -> ssl.SSLContext:
        """The server's side of TLS; makes the certificate when there is none that will last."""
        if not self._lasts():
            self._make()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.file, self._key_file)
        return context

    def _lasts(self) -> bool:
        if not (self.file.exists() and self._key_file.exists()):
            return False
        try:
            certificate = x509.load_pem_x509_certificate(self.file.read_bytes())
        except ValueError:
            return False
        return certificate.not_valid_after_utc - _RENEWED_BEFORE > datetime.now(UTC)

    def _make(self) -> None:
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
        self.file.write_bytes(_signed(key).public_bytes(serialization.Encoding.PEM))


def _signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """RFC 5280 sections 4.1 and 4.2.1, with the extensions that strict verifiers ask for."""
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
