"""Verification of access tokens: signed JWTs (RFC 9068 where the issuer follows it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from utskick.auth.claim_path import claim_at
from utskick.auth.claims import AccessGrant, Claims, InvalidClaims
from utskick.auth.jwks import ALGORITHMS, JwksSource, VerifyingKey

#: Tolerated clock difference in seconds.
LEEWAY: Final = 30
_LONGEST: Final = 16_384
#: Types in the header, which is optional (RFC 7519 section 5.1). ID tokens have none of their own:
#: ``auth.claims`` detects them by their claims.
_TYPES: Final = ("at+jwt", "jwt")
_NO_KEY: Final = "the token is signed with a key that its issuer does not publish"
_NO_ONE_KEY: Final = "the token does not name its key (kid), and not exactly one of its issuer fits"


class InvalidToken(Exception):
    """The token is not accepted; the text tells its sender why, without quoting the token."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer whose tokens are accepted. ``name``: its ``iss``.

    ``audiences``: values of which ``audience_claim`` must have one.
    """

    name: str
    audiences: tuple[str, ...]
    claims: Claims
    keys: JwksSource
    audience_claim: tuple[str, ...] = ("aud",)


class Tokens:
    """Verifies tokens. A token's own header only selects the key, never the method."""

    def __init__(self, trusted: Sequence[TrustedIssuer]) -> None:
        self._trusted = {issuer.name: issuer for issuer in trusted}

    async def verify(self, token: str) -> AccessGrant:
        """Verify a token. Raises ``InvalidToken``, ``IssuerAway`` or ``Unavailable``."""
        header, claimed = _unverified(token)
        issuer = self._trusted.get(claimed) if isinstance(claimed, str) else None
        if issuer is None:
            raise InvalidToken("the token's issuer is not trusted")
        kid, algorithm = header.get("kid"), header["alg"]
        if kid is not None and not isinstance(kid, str):
            raise InvalidToken("the token is not a signed JWT")
        key = await issuer.keys.find(kid, algorithm)
        if key is None:
            raise InvalidToken(_NO_KEY if kid is not None else _NO_ONE_KEY)
        try:
            try:
                payload = _decoded(token, issuer, key, algorithm)
            except jwt.InvalidSignatureError:
                # A key that was found without a kid may have been replaced since it was read.
                newer = await issuer.keys.find(kid, algorithm, key)
                if newer is None:
                    raise
                payload = _decoded(token, issuer, newer, algorithm)
            return issuer.claims.grant(payload, typed=header.get("typ") is not None)
        except InvalidClaims as fault:
            raise InvalidToken(str(fault)) from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as fault:
            raise InvalidToken(_reason(fault)) from None


def _decoded(
    token: str, issuer: TrustedIssuer, key: VerifyingKey, algorithm: str
) -> dict[str, Any]:
    """Return the payload of a token that is valid now."""
    if algorithm not in key.algorithms:
        raise InvalidToken("the token's algorithm does not match its key")
    of_aud = issuer.audience_claim == ("aud",)
    payload: dict[str, Any] = jwt.decode(
        token,
        key.key,
        list(key.algorithms),
        {"require": ["exp", "iss", *(["aud"] if of_aud else [])], "verify_aud": of_aud},
        audience=issuer.audiences if of_aud else None,
        issuer=issuer.name,
        leeway=LEEWAY,
    )
    if not of_aud:
        found = claim_at(payload, issuer.audience_claim)
        named = found if isinstance(found, list) else [found]
        if not any(isinstance(each, str) and each in issuer.audiences for each in named):
            raise jwt.InvalidAudienceError
    return payload


def _unverified(token: str) -> tuple[dict[str, Any], Any]:
    """Return the header and the claimed issuer, both unverified."""
    if len(token) > _LONGEST:
        raise InvalidToken(f"the token is longer than {_LONGEST} characters")
    try:
        decoded = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidToken("the token is not a signed JWT") from None
    header: dict[str, Any] = decoded["header"]
    kind = header.get("typ", "JWT")
    if header.get("alg") not in ALGORITHMS or "crit" in header:
        raise InvalidToken(
            f"the token must be signed with {', '.join(ALGORITHMS[:-1])} or {ALGORITHMS[-1]},"
            " without critical extensions"
        )
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise InvalidToken("the token's type must be at+jwt or JWT: this is not an access token")
    return header, decoded["payload"].get("iss")


def _reason(fault: Exception) -> str:
    match fault:
        case jwt.ExpiredSignatureError():
            return "the token has expired; get a new one"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet; check the clocks"
        case jwt.InvalidSignatureError():
            return "the token's signature is not valid"
        case jwt.InvalidAudienceError():
            return "the token is for another audience (aud, or the audience_claim of its issuer)"
        case jwt.MissingRequiredClaimError():
            return f"the token lacks the claim {fault.claim}"
        case _:
            return "the token's claims are not valid"
