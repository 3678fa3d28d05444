"""VAPID: identification of application servers to push services (RFC 8292)."""

from __future__ import annotations

import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from utskick.cache import Cache

#: Lifetime of a token in seconds (RFC 8292 section 2: at most 24 hours), and how long before its
#: expiry it is renewed.
LIFE: Final = 12 * 3600
MARGIN: Final = 3600
#: Number of push services whose tokens are cached.
_ORIGINS: Final = 64


def read_key(text: str) -> EllipticCurvePrivateKey:
    """Parse a private key in PEM, or as 32 bytes in base64url.

    Raises ``ValueError``, which reveals nothing of the input.
    """
    try:
        key = (
            load_pem_private_key(text.encode(), None)
            if "-----BEGIN" in text
            else _from_octets(text.strip())
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError(
            "must be a P-256 private key, in PEM without a password or as 32 bytes in base64url"
        ) from None
    return key


def _from_octets(text: str) -> EllipticCurvePrivateKey:
    octets = from_base64url(text)
    if len(octets) != 32:
        raise ValueError
    return derive_private_key(int.from_bytes(octets), SECP256R1())


def from_base64url(text: str) -> bytes:
    """Decode base64url (RFC 7515 section 2) or base64, with or without padding.

    Raises ``ValueError``.
    """
    bare = text.rstrip("=")
    return b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)


def to_base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


class Vapid:
    """Identity of one account. ``key``: the key, or its file, which is read on first use."""

    def __init__(
        self,
        key: EllipticCurvePrivateKey | Path,
        subject: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._subject = subject
        self._clock = clock
        self._headers: Cache[str, str] = Cache(_ORIGINS, seconds=LIFE - MARGIN, clock=clock)

    def authorization(self, origin: str) -> str:
        """Return the Authorization header for a push service (RFC 8292 section 3), from a cache.

        Raises ``OSError`` or ``ValueError`` if the key file is unusable.
        """
        cached = self._headers.get(origin)
        if cached is not None:
            return cached
        key = self.key()
        claims = {"aud": origin, "exp": int(self._clock()) + LIFE, "sub": self._subject}
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        header = f"vapid t={jwt.encode(claims, key, algorithm='ES256')}, k={to_base64url(point)}"
        self._headers.put(origin, header)
        return header

    def refuse(self, origin: str) -> None:
        """Discard the cached header after the push service rejected it."""
        self._headers.drop(origin)

    def key(self) -> EllipticCurvePrivateKey:
        """Return the key. Raises ``OSError`` or ``ValueError``."""
        if isinstance(self._key, Path):
            self._key = read_key(self._key.read_text())
        return self._key
