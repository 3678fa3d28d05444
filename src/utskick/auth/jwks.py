"""Keys that verify tokens: read from a JWK set (RFC 7517), each bound to the algorithms that its
own type has (RFC 8725 section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

#: Everything that is ever taken: asymmetric, none of them weak.
ALGORITHMS: Final = ("RS256", "PS256", "ES256")
_LEAST_BITS: Final = 2048  # NIST SP 800-131A
_MOST_BITS: Final = 8192
_MOST_KEYS: Final = 100

PublicKey = RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key, and what it may verify."""

    key: PublicKey
    algorithms: tuple[str, ...]


class JwksSource(Protocol):
    """Where the keys of an issuer come from."""

    async def find(self, kid: str) -> VerifyingKey | None:
        """None: it has no such key. Raises ``IssuerAway`` or ``Unavailable`` where that cannot be
        told."""
        ...


def read_set(members: Mapping[str, Any]) -> dict[str, VerifyingKey]:
    """The usable keys of a JWK set by their ids. What is for encryption, of another kind, too small
    or without an id is left out."""
    listed = members.get("keys")
    found: dict[str, VerifyingKey] = {}
    for jwk in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        if (
            isinstance(jwk, dict)
            and isinstance(kid := jwk.get("kid"), str)
            and (key := _read(jwk)) is not None
        ):
            found.setdefault(kid, key)
    return found


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
