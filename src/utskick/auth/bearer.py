"""Bearer token authentication and authorisation (RFC 6750)."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final

from utskick.auth.claims import AccessGrant
from utskick.auth.revocations import Revocations
from utskick.auth.tokens import LEEWAY, InvalidToken, Tokens
from utskick.cache import Cache
from utskick.domain.errors import OtherMunicipality, ScopeMissing, Unauthorized

#: Maximum number of cached tokens, and of seconds each is cached, after which a key withdrawn by
#: its issuer is no longer accepted.
_MOST: Final = 10_000
_LIFE: Final = 300.0
_REALM: Final = 'Bearer realm="utskick"'


class BearerAuthenticator:
    """Authenticates calls by access token, with a cache by the token's SHA-256.

    ``advice``: sentence on where to get a token. ``certificate_header``: lower-case name of the
    header in which a proxy passes the client certificate's thumbprint. ``revocations``: of clients
    of the embedded issuer.
    """

    def __init__(
        self,
        tokens: Tokens,
        advice: str,
        *,
        certificate_header: str | None = None,
        revocations: Revocations | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.certificate_header = certificate_header
        self._tokens = tokens
        self._advice = advice
        self._revocations = revocations
        self._clock = clock
        self._known: Cache[bytes, AccessGrant] = Cache(_MOST, clock=clock)

    async def grant(self, authorization: str | None, certificate: str | None = None) -> AccessGrant:
        """Verify the token in an Authorization header. Raises ``Unauthorized``.

        ``certificate``: thumbprint of the client certificate, passed on by the proxy.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            sentence = "this call requires an access token (Authorization: Bearer …)"
            raise Unauthorized(
                f"{sentence}. {self._advice}", why="no access token", headers=_challenge()
            )
        grant = self._known.get(_digest(token)) or await self._verified(token)
        if self._revocations is not None and self._revocations.refuses(grant):
            raise self._refused("the token's client has been revoked")
        if grant.thumbprint is not None and not hmac.compare_digest(
            grant.thumbprint.encode(), (certificate or "").encode()
        ):
            raise self._refused("the token is bound to a client certificate that was not presented")
        return grant

    def check_scope(self, grant: AccessGrant, scope: str) -> None:
        """Raise ``ScopeMissing`` unless the token has the scope."""
        if scope not in grant.scopes:
            sentence = f"this call requires the scope {scope}, which the token does not have"
            raise ScopeMissing(
                sentence, headers=_challenge("insufficient_scope", sentence, scope), scope=scope
            )

    def check_municipality(self, grant: AccessGrant, municipality_id: str) -> None:
        """Raise ``OtherMunicipality`` unless the token is for the municipality.

        The error reveals nothing about the municipality.
        """
        if municipality_id not in grant.municipalities:
            raise OtherMunicipality("the token is not valid for the municipality of this call")

    async def _verified(self, token: str) -> AccessGrant:
        try:
            grant = await self._tokens.verify(token)
        except InvalidToken as fault:
            raise self._refused(str(fault)) from None
        valid = min(grant.expires + LEEWAY - self._clock(), _LIFE)
        self._known.put(_digest(token), grant, valid)
        return grant

    def _refused(self, sentence: str) -> Unauthorized:
        return Unauthorized(
            f"{sentence}. {self._advice}",
            why=sentence,
            headers=_challenge("invalid_token", sentence),
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _challenge(
    error: str | None = None, sentence: str = "", scope: str | None = None
) -> dict[str, str]:
    """Build the challenge (RFC 6750 section 3), without an error if no token was presented."""
    parts = [_REALM]
    if error is not None:
        parts += [f'error="{error}"', f'error_description="{sentence}"']
    if scope is not None:
        parts.append(f'scope="{scope}"')
    return {"WWW-Authenticate": ", ".join(parts)}
