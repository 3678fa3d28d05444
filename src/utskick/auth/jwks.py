"""JWK sets (RFC 7517): public keys, each bound to its type's algorithms (RFC 8725 section 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

#: All algorithms accepted: asymmetric and strong ones.
ALGORITHMS: Final = ("RS256", "PS256", "ES256")
_LEAST_BITS: Final = 2048  # NIST SP 800-131A
_MOST_BITS: Final = 8192

PublicKey = RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and the algorithms it may verify."""

    key: PublicKey
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of a JWK set. ``named``: by ``kid``. ``unnamed``: those without one."""

    named: Mapping[str, VerifyingKey] = field(default_factory=dict)
    unnamed: tuple[VerifyingKey, ...] = ()

    def __iter__(self) -> Iterator[VerifyingKey]:
        return iter((*self.named.values(), *self.unnamed))

    def __len__(self) -> int:
        return len(self.named) + len(self.unnamed)

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """Return the key of a token: the one that has its ``kid``, else the only one that fits.

        ``kid`` is optional in both (RFC 7515 section 4.1.4, RFC 7517 section 4.5). Where one of
        them has none, a key fits that verifies ``algorithm``; of several none is chosen.
        """
        if kid is not None and kid in self.named:
            return self.named[kid]
        able = self.unnamed if kid is not None else self
        fitting = [key for key in able if algorithm in key.algorithms]
        return fitting[0] if len(fitting) == 1 else None


class JwksSource(Protocol):
    """Source of an issuer's keys."""

    async def find(
        self, kid: str | None, algorithm: str, failed: VerifyingKey | None = None
    ) -> VerifyingKey | None:
        """Return the key of a token (``KeySet.find``), None if the issuer has none for it.

        ``failed``: the key that was found and does not verify the token; where it was not found by
        its ``kid``, another one may have replaced it.

        Raises ``IssuerAway`` or ``Unavailable`` if the keys cannot be read.
        """
        ...


def read_set(members: Mapping[str, Any]) -> KeySet:
    """Read the usable keys of a JWK set.

    Keys for encryption, of another type or too small are ignored; of two with one ``kid`` the
    first counts.
    """
    listed = members.get("keys")
    named: dict[str, VerifyingKey] = {}
    unnamed: list[VerifyingKey] = []
    for jwk in listed if isinstance(listed, list) else ():
        if not isinstance(jwk, dict) or (key := _read(jwk)) is None:
            continue
        kid = jwk.get("kid")
        if kid is None:
            unnamed.append(key)
        elif isinstance(kid, str):
            named.setdefault(kid, key)
    return KeySet(named, tuple(unnamed))


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
