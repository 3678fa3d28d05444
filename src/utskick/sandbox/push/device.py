"""Simulated browser, which decrypts notifications with its own keys (RFC 8291)."""

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
    """Browser with a subscription.

    ``pending``: notifications for an offline browser, by topic or reference, with their expiry
    (monotonic seconds). A browser named ``offline…`` is offline.
    """

    name: str
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    auth: bytes = field(default_factory=lambda: token_bytes(16))
    pending: dict[str, tuple[float, Received]] = field(default_factory=dict)

    @property
    def is_offline(self) -> bool:
        return self.name.split("-")[0] == "offline"

    def subscription(self, origin: str) -> dict[str, Any]:
        """Return ``PushSubscription.toJSON()``, with the keys also at top level."""
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

    def keep(self, addresses: str, ttl: int, received: Received) -> None:
        """Store a notification, replacing one with the same topic (RFC 8030 section 5.4)."""
        self.pending.pop(addresses, None)
        self.pending[addresses] = time.monotonic() + ttl, received

    def fetch(self) -> list[Received]:
        """Return and remove all pending notifications that have not expired."""
        now, pending = time.monotonic(), list(self.pending.values())
        self.pending.clear()
        return [received for until, received in pending if until > now]


def decrypt(body: bytes, key: EllipticCurvePrivateKey, auth: bytes) -> bytes | None:
    """Return the plaintext, or None if it was not encrypted for these keys."""
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
    """Decode base64url; return no bytes for malformed text."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
