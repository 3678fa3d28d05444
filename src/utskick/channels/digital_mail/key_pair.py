"""A certificate and its RSA key, opened: from PEM, or from PKCS #12."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12


class UnusableKey(Exception):
    """They cannot be used; the sentence holds no secret."""


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """``chain``: the certificate first, then those between it and its authority."""

    key: RSAPrivateKey
    chain: Sequence[x509.Certificate]


def from_pem(certificate: bytes, key: bytes, password: bytes | None) -> KeyPair:
    """Raises ``UnusableKey``. Takes some 50 ms: the key is proved."""
    try:
        chain = x509.load_pem_x509_certificates(certificate)
    except ValueError:
        raise UnusableKey("there is no certificate in PEM") from None
    return _joined(read_key(key, password), chain)


def from_pkcs12(data: bytes, password: bytes | None) -> KeyPair:
    """Raises ``UnusableKey``."""
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey("there is no PKCS #12 file that the password opens") from None
    return _joined(_rsa(key), [certificate, *others] if certificate else [])


def read_key(pem: bytes, password: bytes | None) -> RSAPrivateKey:
    """Raises ``UnusableKey``."""
    try:
        return _rsa(load_pem_private_key(pem, password))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey("there is no private key in PEM that the password opens") from None


def _rsa(key: object) -> RSAPrivateKey:
    if not isinstance(key, RSAPrivateKey):
        raise UnusableKey("Mina Meddelanden takes RSA keys only")
    return key


def _joined(key: RSAPrivateKey, chain: Sequence[x509.Certificate]) -> KeyPair:
    if not chain or chain[0].public_key() != key.public_key():
        raise UnusableKey("the certificate and the key do not belong together")
    return KeyPair(key, chain)
