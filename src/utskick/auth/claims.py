"""From the claims of an issuer's tokens to a grant: issuers name client, municipality and scope
each in their own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from utskick.auth.settings import IssuerSection


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """``client``: the client id, and ``@`` with its issuer where that is not ours. ``expires``:
    seconds since 1970.

    ``thumbprint``: of the certificate that the token is bound to (RFC 8705).
    """

    client: str
    municipalities: frozenset[str]
    scopes: frozenset[str]
    expires: float
    thumbprint: str | None = None


_CLIENT: Final = ("client_id", "azp", "sub")
_SCOPE: Final = ("scope", "scp", "roles")
#: Claims that only an ID token has (OpenID Connect Core, sections 2 and 3.3.2.11).
_OF_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash")
_LONGEST: Final = 255


class InvalidClaims(ValueError):
    """The claims do not make a grant; the text says which, never what they hold."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Where an issuer's tokens say what. ``municipalities``: those of every token, instead of a
    claim. ``mapping``: its scope → ours.

    ``realm``: stands behind the names of its clients. None: the embedded issuer's, whose names hold
    no ``@``.
    """

    client: tuple[str, ...] = _CLIENT
    municipality: str = "municipalities"
    municipalities: frozenset[str] | None = None
    scope: tuple[str, ...] = _SCOPE
    mapping: Mapping[str, tuple[str, ...]] | None = None
    realm: str | None = None

    @classmethod
    def of(cls, issuer: IssuerSection) -> Claims:
        return cls(
            (issuer.client_claim,) if issuer.client_claim else _CLIENT,
            issuer.municipality_claim,
            frozenset(issuer.municipalities) if issuer.municipalities else None,
            (issuer.scope_claim,) if issuer.scope_claim else _SCOPE,
            issuer.scopes,
            issuer.realm,
        )

    def grant(self, payload: Mapping[str, Any]) -> AccessGrant:
        """Of a payload whose signature and times have been verified. Raises ``InvalidClaims``."""
        if payload.get("typ", "Bearer") != "Bearer" or any(
            name in payload for name in _OF_ID_TOKENS
        ):
            raise InvalidClaims("this is not an access token")
        client = next(
            (value for name in self.client if (value := _at(payload, name)) is not None), None
        )
        if (
            not isinstance(client, str)
            or not client.isprintable()
            or not 1 <= len(client) <= _LONGEST
        ):
            raise InvalidClaims(
                f"the token does not say which client it is for ({' or '.join(self.client)})"
            )
        if self.realm is not None:
            client = f"{client}@{self.realm}"
        return AccessGrant(
            client,
            self._municipalities(payload),
            self._scopes(payload),
            float(payload["exp"]),
            _thumbprint(payload),
        )

    def _municipalities(self, payload: Mapping[str, Any]) -> frozenset[str]:
        if self.municipalities is not None:
            return self.municipalities
        return frozenset(_words(_at(payload, self.municipality)))

    def _scopes(self, payload: Mapping[str, Any]) -> frozenset[str]:
        said = next(
            (value for name in self.scope if (value := _at(payload, name)) is not None), None
        )
        words = _words(said)
        if self.mapping is None:
            return frozenset(words)
        return frozenset(ours for word in words for ours in self.mapping.get(word, ()))


def _thumbprint(payload: Mapping[str, Any]) -> str | None:
    """RFC 7800 section 3.1: a token that is bound in a way that is not understood must not be
    taken."""
    if (bound := payload.get("cnf")) is None:
        return None
    thumbprint = bound.get("x5t#S256") if isinstance(bound, dict) and len(bound) == 1 else None
    if not isinstance(thumbprint, str) or not thumbprint.isascii():
        raise InvalidClaims("the token is bound to its holder in a way that is not understood here")
    return thumbprint


def _at(payload: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by its way into others (``realm_access.roles``)."""
    if name in payload:
        return payload[name]
    found: Any = payload
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def _words(value: Any) -> list[str]:
    """A string is words with spaces between, a list is words; everything else has none."""
    if isinstance(value, str):
        return value.split(" ")
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    return []
