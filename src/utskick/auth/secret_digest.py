"""Digests of client secrets: Argon2id (RFC 9106) as a PHC string; the secret is never stored."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

#: Identifies a leaked secret as one of Utskick's.
PREFIX: Final = "ucs_"
#: OWASP's password storage guide: 19 MiB, two passes. The secrets have 256 bits of entropy.
_PASSES, _KIB, _LANES = 2, 19 * 1024, 1
_SALT, _LENGTH = 16, 32


def new_secret() -> str:
    """Generate a secret of 256 bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Compute the digest, which names its parameters, so that they can be strengthened later."""
    argon2 = Argon2id(
        salt=secrets.token_bytes(_SALT),
        length=_LENGTH,
        iterations=_PASSES,
        lanes=_LANES,
        memory_cost=_KIB,
    )
    return argon2.derive_phc_encoded(_bytes(secret))


def matches(digest: str, secret: str) -> bool:
    """Return whether the digest is of this secret, in constant time."""
    try:
        Argon2id.verify_phc_encoded(_bytes(secret), digest)
    except InvalidKey:
        return False
    return True


def _bytes(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogatepass")


@cache
def decoy_digest() -> str:
    """Return a digest to verify against for unknown clients, so that they take as long."""
    return digest_of(new_secret())
