"""A client that proves itself by a signature of its own: ``private_key_jwt`` (RFC 7523 section 2.2,
OpenID Connect Core section 9)."""

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
#: The longest that an assertion may be good for (s): so long its id must be remembered.
LONGEST: Final = 600
_SIZE: Final = 8_192


class Unproven(Exception):
    """The assertion does not prove who made it."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """``digest``: of its id, by which it is known again. ``expires``: seconds since 1970."""

    digest: bytes
    expires: float


def claimed_by(text: str) -> str:
    """Whose assertion it says it is: nothing has been verified. Raises ``Unproven``."""
    try:
        found = (
            jwt.decode_complete(text, options={"verify_signature": False})
            if len(text) <= _SIZE
            else {"payload": {}}
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise Unproven from None
    subject = found["payload"].get("sub")
    if not isinstance(subject, str):
        raise Unproven
    return subject


def verify(
    text: str, client_id: str, public_keys: dict[str, Any], audiences: Sequence[str]
) -> Assertion:
    """``audiences``: the issuer, or its token endpoint. Raises ``Unproven``."""
    try:
        header = jwt.get_unverified_header(text)
        key = read_set(public_keys).get(str(header.get("kid")))
        if (
            key is None
            or header.get("alg") not in ALGORITHMS
            or header.get("alg") not in key.algorithms
            or "crit" in header
        ):
            raise Unproven
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
        raise Unproven from None
    if expires > time.time() + LONGEST + LEEWAY:
        raise Unproven
    return Assertion(hashlib.sha256(payload["jti"].encode()).digest(), expires)
