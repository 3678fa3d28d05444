"""How a client's secret is kept: never itself, only a digest that is dear to try (scrypt, RFC 7914)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from typing import Final

#: So that whoever finds one in a file knows what it is.
PREFIX: Final = "ucs_"
_COST, _BLOCK, _LANES = 2**14, 8, 1  # 16 MiB, about 50 ms
_SALT: Final = 16
#: A digest of no secret: who names a client that is not there waits as long as for one that is.
NOBODY: Final = f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{b64encode(bytes(_SALT)).decode()}:{b64encode(bytes(32)).decode()}"


def new_secret() -> str:
    """256 bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str, cost: int = _COST) -> str:
    """Names how it was made, so that dearer ways can come."""
    salt = secrets.token_bytes(_SALT)
    made = _scrypt(secret, salt, cost, _BLOCK, _LANES)
    return f"scrypt:{cost}:{_BLOCK}:{_LANES}:{b64encode(salt).decode()}:{b64encode(made).decode()}"


def is_of(digest: str, secret: str) -> bool:
    """Whether this is the secret. Takes as long where it is not."""
    _, cost, block, lanes, salt, made = digest.split(":")
    return hmac.compare_digest(_scrypt(secret, b64decode(salt), int(cost), int(block), int(lanes)), b64decode(made))


def _scrypt(secret: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(secret.encode("utf-8", "surrogatepass"), salt=salt, n=cost, r=block, p=lanes, maxmem=64 * 1024 * 1024, dklen=32)
