"""Whether an access token is genuine: a signed JWT (RFC 9068 where its issuer follows it) of an
issuer that is trusted here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from utskick.auth.claims import AccessGrant, Claims, InvalidClaims
from utskick.auth.jwks import ALGORITHMS, JwksSource

#: Seconds by which clocks may differ.
LEEWAY: Final = 30
_LONGEST: Final = 16_384
_TYPES: Final = (
    "at+jwt",
    "jwt",
)  # an ID token has no type of its own: auth.claims knows it by its claims


class InvalidToken(Exception):
    """The token cannot be taken; the text says why to whoever sent it, and holds nothing of the
    token."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """An issuer whose tokens are taken. ``name``: its ``iss``; ``audience``: what must be among
    their ``aud``."""

    name: str
    audience: str
    claims: Claims
    keys: JwksSource


class Tokens:
    """Verifies. Nothing that a token says of itself chooses how: only which of our issuers' keys is
    looked up."""

    def __init__(self, trusted: Sequence[Trusted]) -> None:
        self._trusted = {issuer.name: issuer for issuer in trusted}

    async def verify(self, token: str) -> AccessGrant:
        """Raises ``InvalidToken``, ``IssuerAway`` or ``Unavailable``."""
        header, claimed = _peeked(token)
        issuer = self._trusted.get(claimed) if isinstance(claimed, str) else None
        if issuer is None:
            raise InvalidToken("the token is of an issuer that is not trusted here")
        kid = header.get("kid")
        key = await issuer.keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise InvalidToken("the token is signed with a key that its issuer does not have")
        if header.get("alg") not in key.algorithms:
            raise InvalidToken("the token is signed in a way that its key is not for")
        try:
            payload = jwt.decode(
                token,
                key.key,
                list(key.algorithms),
                {"require": ["exp", "iss", "aud"]},
                audience=issuer.audience,
                issuer=issuer.name,
                leeway=LEEWAY,
            )
            return issuer.claims.grant(payload)
        except InvalidClaims as fault:
            raise InvalidToken(str(fault)) from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as fault:
            raise InvalidToken(_reason(fault)) from None


def _peeked(token: str) -> tuple[dict[str, Any], Any]:
    """The header, and the issuer that the token claims to be of: nothing has been verified."""
    if len(token) > _LONGEST:
        raise InvalidToken(f"the token is longer than {_LONGEST} characters")
    try:
        found = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidToken("the token is not a signed JWT") from None
    header: dict[str, Any] = found["header"]
    kind = header.get("typ")
    if header.get("alg") not in ALGORITHMS or "crit" in header:
        raise InvalidToken(
            f"the token must be signed with {', '.join(ALGORITHMS[:-1])} or {ALGORITHMS[-1]}, without critical extensions"
        )
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise InvalidToken("the token's type must be at+jwt or JWT: this is not an access token")
    return header, found["payload"].get("iss")


def _reason(fault: Exception) -> str:
    match fault:
        case jwt.ExpiredSignatureError():
            return "the token has expired; get a new one"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet; look at the clocks"
        case jwt.InvalidSignatureError():
            return "the token's signature is wrong"
        case jwt.InvalidAudienceError():
            return "the token is meant for somebody else (aud)"
        case jwt.MissingRequiredClaimError():
            return f"the token lacks the claim {fault.claim}"
        case _:
            return "the token's claims cannot be used"
