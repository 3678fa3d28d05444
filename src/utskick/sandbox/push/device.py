"""A browser of the sandbox: it reads with its own keys what comes for it, now or when it is back
(RFC 8291)."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from utskick.sandbox.ledger import Received


@dataclass
class Browser:
    """``waiting``: while it is away, by topic or by number, with the time (s, monotonic) when it is
    dropped. Away is who is called so."""

    name: str
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    auth: bytes = field(default_factory=lambda: token_bytes(16))
    waiting: dict[str, tuple[float, Received]] = field(default_factory=dict)

    @property
    def is_away(self) -> bool:
        return self.name.split("-")[0] == "offline"

    def subscription(self, origin: str) -> dict[str, Any]:
        """As ``PushSubscription.toJSON()`` gives it, and the same keys flat."""
        keys = {
            "p256dh": to_base64url(point_of(self.key.public_key())),
            "auth": to_base64url(self.auth),
        }
        return {
            "endpoint": f"{origin}/push/wp/{self.name}",
            "expirationTime": None,
            "keys": keys,
            **keys,
        }

    def keep(self, place: str, ttl: int, received: Received) -> None:
        """In place of an older one that has the same place and has not been fetched (RFC 8030
        section 5.4)."""
        self.waiting.pop(place, None)
        self.waiting[place] = time.monotonic() + ttl, received

    def fetch(self) -> list[Received]:
        """What has waited, unless its time was out."""
        now, waited = time.monotonic(), list(self.waiting.values())
        self.waiting.clear()
        return [received for until, received in waited if until > now]


def decrypt(body: bytes, key: EllipticCurvePrivateKey, auth: bytes) -> bytes | None:
    """The plaintext; None where it was not encrypted for these keys."""
    try:
        plaintext: bytes = http_ece.decrypt(
            body, private_key=key, auth_secret=auth, version="aes128gcm"
        )
    except (http_ece.ECEException, ValueError):
        return None
    return plaintext


def point_of(key: EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def to_base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Nothing, where it is no base64url."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
