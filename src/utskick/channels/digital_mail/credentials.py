"""Certificate and key of a sender: XML signing, TLS client authentication, and expiry."""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from utskick.channels.digital_mail.c14n import escaped
from utskick.channels.digital_mail.key_pair import UnusableKey
from utskick.channels.digital_mail.settings import OwnCertificate
from utskick.channels.digital_mail.signature import XmlSigner
from utskick.outgoing.settings_types import TlsSection

#: Names of attribute types in RFC 2253 section 2.3; others are written as numbers.
_SHORT: Final = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_SPECIAL: Final = frozenset(',+"\\<>;')
_PRINTABLE: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"
)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A loaded certificate with its key. ``fingerprint``: SHA-256 of the certificate, in hex."""

    certificate: x509.Certificate
    chain: Sequence[x509.Certificate]
    key: RSAPrivateKey
    signer: XmlSigner
    fingerprint: str

    @property
    def expires(self) -> datetime:
        return self.certificate.not_valid_after_utc

    def tls(self, peer: TlsSection) -> ssl.SSLContext:
        """Build a TLS context with this client certificate and the CA certificates of ``peer``."""
        context = peer.tls() or ssl.create_default_context()
        self._load_into(context)
        return context

    def _load_into(self, context: ssl.SSLContext) -> None:
        """Load key and chain into the context.

        The standard library reads them from files only, so they are written to a private temporary
        file with an encrypted key.
        """
        password = secrets.token_hex(32).encode()
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
        chain = b"".join(
            c.public_bytes(serialization.Encoding.PEM) for c in (self.certificate, *self.chain)
        )
        handle, name = tempfile.mkstemp(prefix="utskick-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(pem + chain)
            context.load_cert_chain(name, password=password)
        finally:
            os.unlink(name)


def load(own: OwnCertificate) -> Credentials:
    """Load credentials from disk; blocking, some milliseconds. Raises ``UnusableKey``."""
    try:
        pair = own.opened()
    except OSError as fault:
        raise UnusableKey(f"file {fault.filename} cannot be read: {fault.strerror}") from None
    key, certificate = pair.key, pair.chain[0]
    signer = XmlSigner(
        lambda data: key.sign(data, PKCS1v15(), hashes.SHA256()),
        key.key_size // 8,
        _key_info(certificate),
    )
    return Credentials(
        certificate, pair.chain[1:], key, signer, certificate.fingerprint(hashes.SHA256()).hex()
    )


def _key_info(certificate: x509.Certificate) -> bytes:
    encoded = b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode("ascii")
    subject = escaped(subject_name(certificate.subject))
    return (
        f"<KeyInfo><X509Data><X509SubjectName>{subject}</X509SubjectName>"
        f"<X509Certificate>{encoded}</X509Certificate></X509Data></KeyInfo>"
    ).encode()


def subject_name(name: x509.Name) -> str:
    """Format a distinguished name as in RFC 2253, unknown attribute types as number and hex."""
    return ",".join(
        "+".join(_attribute(attribute) for attribute in part) for part in reversed(name.rdns)
    )


def _attribute(attribute: x509.NameAttribute[str | bytes]) -> str:
    oid, value = attribute.oid.dotted_string, attribute.value
    text = value if isinstance(value, str) else value.decode("utf-8", "replace")
    if oid in _SHORT:
        return f"{_SHORT[oid]}={_value(text)}"
    tag = 0x13 if set(text) <= _PRINTABLE else 0x0C  # PrintableString, UTF8String
    raw = text.encode()
    size = bytes([len(raw)]) if len(raw) < 128 else b"\x82" + len(raw).to_bytes(2, "big")
    return f"{oid}=#{(bytes([tag]) + size + raw).hex()}"


def _value(text: str) -> str:
    """Escape an attribute value (RFC 2253 section 2.4)."""
    escaped_text = "".join("\\" + ch if ch in _SPECIAL else ch for ch in text)
    if escaped_text.startswith(("#", " ")):
        escaped_text = "\\" + escaped_text
    if text.endswith(" ") and len(text) > 1:
        return escaped_text[:-1] + "\\ "
    return escaped_text
