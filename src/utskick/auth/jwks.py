"""JWK sets (RFC 7517): public keys, each bound to its type's algorithms (RFC 8725 section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

#: All algorithms accepted: asymmetric and strong ones.
ALGORITHMS: Final = ("RS256", "PS256", "ES256")
_LEAST_BITS: Final = 2048  # NIST SP 800-131A
_MOST_BITS: Final = 8192
_MOST_KEYS: Final = 100

PublicKey = RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and the algorithms it may verify."""

    key: PublicKey
    algorithms: tuple[str, ...]


class JwksSource(Protocol):
    """Source of an issuer's keys."""

    async def find(self, kid: str) -> VerifyingKey | None:
        """Return the key, None if the issuer has none of this id.

        Raises ``IssuerAway`` or ``Unavailable`` if the keys cannot be read.
        """
        ...


def read_set(members: Mapping[str, Any]) -> dict[str, VerifyingKey]:
    """Read the usable keys of a JWK set by their ids.

    Keys for encryption, of another type, too small or without an id are ignored.
    """
    listed = members.get("keys")
    keys: dict[str, VerifyingKey] = {}
    for jwk in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        if (
            isinstance(jwk, dict)
            and isinstance(kid := jwk.get("kid"), str)
            and (key := _read(jwk)) is not None
        ):
            keys.setdefault(kid, key)
    return keys


def _read(jwk: Mapping[str, Any]) -> VerifyingKey | None:
    if jwk.get("kty") not in ("RSA", "EC") or jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    try:
        kind = jwt.algorithms.RSAAlgorithm if jwk["kty"] == "RSA" else jwt.algorithms.ECAlgorithm
        key = kind.from_jwk(dict(jwk))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    algorithms = tuple(a for a in _algorithms(key) if jwk.get("alg", a) == a)
    return VerifyingKey(key, algorithms) if algorithms else None  # type: ignore[arg-type]


def _algorithms(key: object) -> tuple[str, ...]:
    if isinstance(key, RSAPublicKey) and _LEAST_BITS <= key.key_size <= _MOST_BITS:
        return "RS256", "PS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return ("ES256",)
    return ()
