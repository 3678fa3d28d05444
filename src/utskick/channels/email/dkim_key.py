"""The private key of DKIM (RFC 6376), as whoever signs can read it."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

#: RFC 8301 section 3.2: signers must use at least so many bits.
_SHORTEST: Final = 1024


def readable(pem: bytes) -> bytes:
    """The key as RFC 8017 writes it in PEM. Raises ``ValueError``, which tells nothing of what was
    found."""
    try:
        # Its numbers are not proved: that takes longer than many signatures, and a wrong one harms
        # nobody but its own mail.
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SHORTEST:
        raise ValueError(
            f"must be an RSA key in PEM, of at least {_SHORTEST} bits and without a password"
        ) from None
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
