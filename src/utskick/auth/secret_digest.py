"""How a client's secret is kept: never itself, only a digest that is dear to try (Argon2id, RFC
9106, as a PHC string)."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

#: So that whoever finds one in a file knows what it is.
PREFIX: Final = "ucs_"
#: OWASP's password storage guide: 19 MiB, two passes. A secret of ours has 256 bits besides.
_PASSES, _KIB, _LANES = 2, 19 * 1024, 1
_SALT, _LENGTH = 16, 32


def new_secret() -> str:
    """256 bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Names how it was made, so that dearer ways can come."""
    made = Argon2id(
        salt=secrets.token_bytes(_SALT),
        length=_LENGTH,
        iterations=_PASSES,
        lanes=_LANES,
        memory_cost=_KIB,
    )
    return made.derive_phc_encoded(_bytes(secret))


def is_of(digest: str, secret: str) -> bool:
    """Whether this is the secret. Takes as long where it is not."""
    try:
        Argon2id.verify_phc_encoded(_bytes(secret), digest)
    except InvalidKey:
        return False
    return True


def _bytes(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogatepass")


@cache
def of_nobody() -> str:
    """A digest of no secret: who names a client that is not there waits as long as for one that
    is."""
    return digest_of(new_secret())
