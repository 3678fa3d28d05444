"""Client assertions: ``private_key_jwt`` (RFC 7523 section 2.2, OpenID Connect Core section 9)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from utskick.auth.jwks import ALGORITHMS, read_set
from utskick.auth.tokens import LEEWAY

KIND: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Maximum lifetime of an assertion in seconds, for which its id has to be stored.
LONGEST: Final = 600
_SIZE: Final = 8_192


class InvalidAssertion(Exception):
    """The assertion does not authenticate the client."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A verified assertion. ``digest``: of its id, against replay. ``expires``: Unix time."""

    digest: bytes
    expires: float


def claimed_by(text: str) -> str:
    """Return the client that the unverified assertion claims. Raises ``InvalidAssertion``."""
    try:
        decoded = (
            jwt.decode_complete(text, options={"verify_signature": False})
            if len(text) <= _SIZE
            else {"payload": {}}
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidAssertion from None
    subject = decoded["payload"].get("sub")
    if not isinstance(subject, str):
        raise InvalidAssertion
    return subject


def verify(
    text: str, client_id: str, public_keys: dict[str, Any], audiences: Sequence[str]
) -> Assertion:
    """Verify an assertion for one of ``audiences``. Raises ``InvalidAssertion``."""
    try:
        header = jwt.get_unverified_header(text)
        kid, algorithm = header.get("kid"), str(header.get("alg"))
        if algorithm not in ALGORITHMS or "crit" in header or not isinstance(kid, str | None):
            raise InvalidAssertion
        key = read_set(public_keys).find(kid, algorithm)
        if key is None or algorithm not in key.algorithms:
            raise InvalidAssertion
        payload = jwt.decode(
            text,
            key.key,
            list(key.algorithms),
            {"require": ["exp", "iss", "sub", "aud", "jti"]},
            audience=list(audiences),
            issuer=client_id,
            subject=client_id,
            leeway=LEEWAY,
        )
        expires = float(payload["exp"])
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        raise InvalidAssertion from None
    if expires > time.time() + LONGEST + LEEWAY:
        raise InvalidAssertion
    return Assertion(hashlib.sha256(payload["jti"].encode()).digest(), expires)
