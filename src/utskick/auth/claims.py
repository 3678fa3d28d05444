"""Mapping of an issuer's claims to a grant: client, municipalities and scopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from utskick.auth.settings import IssuerSection


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """What an access token allows.

    ``client``: the client id, with ``@`` and the realm of its issuer unless that is the embedded
    one. ``expires``: Unix time in seconds. ``thumbprint``: of the certificate that the token is
    bound to (RFC 8705). ``strict``: answers have exactly the members and words of the contract.
    """

    client: str
    municipalities: frozenset[str]
    scopes: frozenset[str]
    expires: float
    thumbprint: str | None = None
    strict: bool = False


#: Claim of the embedded issuer: which form of answers the client takes.
CONTRACT: Final = "contract"
STRICT: Final = "strict"
_CLIENT: Final = ("client_id", "azp", "sub")
_SCOPE: Final = ("scope", "scp", "roles")
#: Claims that occur only in ID tokens (OpenID Connect Core sections 2 and 3.3.2.11).
_OF_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash")
_LONGEST: Final = 255


class InvalidClaims(ValueError):
    """The claims do not form a grant; the text names the claim, never its value."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Names of an issuer's claims.

    ``client``, ``scope``: alternatives in order. ``municipalities``: fixed for all tokens, instead
    of a claim. ``mapping``: scopes by the issuer's scope. ``realm``: suffix of its client ids; None
    for the embedded issuer, whose client ids contain no ``@``. ``strict``: ids of the clients of
    another issuer that get exactly the contract's answers; the embedded one has a claim for it.
    """

    client: tuple[str, ...] = _CLIENT
    municipality: str = "municipalities"
    municipalities: frozenset[str] | None = None
    scope: tuple[str, ...] = _SCOPE
    mapping: Mapping[str, tuple[str, ...]] | None = None
    realm: str | None = None
    strict: frozenset[str] = frozenset()

    @classmethod
    def of(cls, issuer: IssuerSection) -> Claims:
        return cls(
            (issuer.client_claim,) if issuer.client_claim else _CLIENT,
            issuer.municipality_claim,
            frozenset(issuer.municipalities) if issuer.municipalities else None,
            (issuer.scope_claim,) if issuer.scope_claim else _SCOPE,
            issuer.scopes,
            issuer.realm,
            frozenset(issuer.strict_clients),
        )

    def grant(self, payload: Mapping[str, Any]) -> AccessGrant:
        """Map a payload whose signature and times are verified. Raises ``InvalidClaims``."""
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
                f"the token does not identify its client ({' or '.join(self.client)})"
            )
        if self.realm is not None:
            strict = client in self.strict
            client = f"{client}@{self.realm}"
        else:
            strict = payload.get(CONTRACT) == STRICT
        return AccessGrant(
            client,
            self._municipalities(payload),
            self._scopes(payload),
            float(payload["exp"]),
            _thumbprint(payload),
            strict,
        )

    def _municipalities(self, payload: Mapping[str, Any]) -> frozenset[str]:
        if self.municipalities is not None:
            return self.municipalities
        return frozenset(_words(_at(payload, self.municipality)))

    def _scopes(self, payload: Mapping[str, Any]) -> frozenset[str]:
        value = next(
            (value for name in self.scope if (value := _at(payload, name)) is not None), None
        )
        words = _words(value)
        if self.mapping is None:
            return frozenset(words)
        return frozenset(scope for word in words for scope in self.mapping.get(word, ()))


def _thumbprint(payload: Mapping[str, Any]) -> str | None:
    """Return the certificate thumbprint; refuse other confirmation methods (RFC 7800 3.1)."""
    if (bound := payload.get("cnf")) is None:
        return None
    thumbprint = bound.get("x5t#S256") if isinstance(bound, dict) and len(bound) == 1 else None
    if not isinstance(thumbprint, str) or not thumbprint.isascii():
        raise InvalidClaims("the token is bound to its holder by an unsupported method")
    return thumbprint


def _at(payload: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name or by its path into others (``realm_access.roles``)."""
    if name in payload:
        return payload[name]
    value: Any = payload
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def _words(value: Any) -> list[str]:
    """Split a string at spaces, or return the strings of a list; empty for anything else."""
    if isinstance(value, str):
        return value.split(" ")
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    return []
