"""VAPID: how an application server says who it is (RFC 8292)."""

from __future__ import annotations

import time
from base64 import b64decode, urlsafe_b64encode
from collections import OrderedDict
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

#: Seconds that a token lives (RFC 8292 section 2: at most 24 hours), and how long before its end a
#: new one is made.
LIFE: Final = 12 * 3600
MARGIN: Final = 3600
#: How many push services are remembered.
_ORIGINS: Final = 64


def read_key(text: str) -> EllipticCurvePrivateKey:
    """From PEM, or from the 32 bytes of the private key in base64url. Raises ``ValueError``, which
    tells nothing of what was found."""
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
            "must be a private key on P-256, in PEM without a password or as its 32 bytes in base64url"
        ) from None
    return key


def _from_octets(text: str) -> EllipticCurvePrivateKey:
    octets = from_base64url(text)
    if len(octets) != 32:
        raise ValueError
    return derive_private_key(int.from_bytes(octets), SECP256R1())


def from_base64url(text: str) -> bytes:
    """RFC 7515 section 2, padding or not (and plain base64, as some libraries give it). Raises
    ``ValueError``."""
    bare = text.rstrip("=")
    return b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)


def to_base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


class Vapid:
    """The identity of one account. ``key``: the key itself, or the file that it is read from when
    it is first needed."""

    def __init__(
        self,
        key: EllipticCurvePrivateKey | Path,
        subject: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._subject = subject
        self._clock = clock
        self._made: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def authorization(self, origin: str) -> str:
        """The Authorization header for a push service (RFC 8292 section 3). Raises ``OSError`` or
        ``ValueError`` over the key file."""
        now, made = self._clock(), self._made.get(origin)
        if made is not None and made[0] > now:
            return made[1]
        key = self.key()
        claims = {"aud": origin, "exp": int(now) + LIFE, "sub": self._subject}
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        header = f"vapid t={jwt.encode(claims, key, algorithm='ES256')}, k={to_base64url(point)}"
        self._made[origin] = now + LIFE - MARGIN, header
        self._made.move_to_end(origin)
        if len(self._made) > _ORIGINS:
            self._made.popitem(last=False)
        return header

    def refuse(self, origin: str) -> None:
        """The push service did not take it: the next call gets a fresh one."""
        self._made.pop(origin, None)

    def key(self) -> EllipticCurvePrivateKey:
        """Raises ``OSError`` or ``ValueError``."""
        if isinstance(self._key, Path):
            self._key = read_key(self._key.read_text())
        return self._key
