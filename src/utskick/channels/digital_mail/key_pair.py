"""Opening of a certificate with its RSA key, in PEM or PKCS #12."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12


class UnusableKey(Exception):
    """Certificate or key cannot be used; the message contains no secret."""


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """A key and its certificate chain, starting with its own certificate."""

    key: RSAPrivateKey
    chain: Sequence[x509.Certificate]


def from_pem(certificate: bytes, key: bytes, password: bytes | None) -> KeyPair:
    """Open PEM data; takes some 50 ms, as the key is validated. Raises ``UnusableKey``."""
    try:
        chain = x509.load_pem_x509_certificates(certificate)
    except ValueError:
        raise UnusableKey("it contains no PEM certificate") from None
    return _joined(read_key(key, password), chain)


def from_pkcs12(data: bytes, password: bytes | None) -> KeyPair:
    """Open a PKCS #12 file. Raises ``UnusableKey``."""
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey(
            "it is not a PKCS #12 file, or the password does not decrypt it"
        ) from None
    return _joined(_rsa(key), [certificate, *others] if certificate else [])


def read_key(pem: bytes, password: bytes | None) -> RSAPrivateKey:
    """Read a private key. Raises ``UnusableKey``."""
    try:
        return _rsa(load_pem_private_key(pem, password))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey(
            "it is not a private key in PEM, or the password does not decrypt it"
        ) from None


def _rsa(key: object) -> RSAPrivateKey:
    if not isinstance(key, RSAPrivateKey):
        raise UnusableKey("Mina Meddelanden requires RSA keys")
    return key


def _joined(key: RSAPrivateKey, chain: Sequence[x509.Certificate]) -> KeyPair:
    if not chain or chain[0].public_key() != key.public_key():
        raise UnusableKey("the certificate does not belong to the key")
    return KeyPair(key, chain)
