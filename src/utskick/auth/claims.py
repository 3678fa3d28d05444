"""Mapping of an issuer's claims to a grant: client, municipalities and scopes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from utskick.auth.claim_path import claim_at
from utskick.auth.settings import IssuerSection


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """What an access token allows.

    ``client``: the client id, with ``@`` and the realm of its issuer unless that is the embedded
    one. ``expires``: Unix time in seconds. ``thumbprint``: of the certificate that the token is
    bound to (RFC 8705). ``strict``: answers have exactly the members and words of the contract.
    ``issued``: Unix time in seconds, None for tokens of other issuers.
    """

    client: str
    municipalities: frozenset[str]
    scopes: frozenset[str]
    expires: float
    thumbprint: str | None = None
    strict: bool = False
    issued: float | None = None


#: Claim of the embedded issuer: which form of answers the client takes.
CONTRACT: Final = "contract"
STRICT: Final = "strict"
_CLIENT: Final = (("client_id",), ("azp",), ("sub",))
_SCOPE: Final = (("scope",), ("scp",), ("roles",))
#: Claims that occur only in ID tokens (OpenID Connect Core sections 3.1.3.6 and 3.3.2.11).
_OF_ID_TOKENS: Final = ("at_hash", "c_hash")
#: Claims that an access token has and an ID token has not (RFC 9068 section 2.2, RFC 8693 4.2).
_OF_ACCESS_TOKENS: Final = ("client_id", "scope", "scp")
_LONGEST: Final = 255
#: Municipality codes have four digits, of which the first may be 0 (SCB, Län och kommuner).
_CODE_LIMIT: Final = 10_000


class InvalidClaims(ValueError):
    """The claims do not form a grant; the text names the claim, never its value."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Paths of an issuer's claims.

    ``client``, ``scope``: alternatives in order. ``municipalities``: fixed for all tokens, instead
    of a claim. ``mapping``: scopes by the issuer's scope. ``realm``: suffix of its client ids; None
    for the embedded issuer, whose client ids contain no ``@``. ``strict``: ids of the clients of
    another issuer that get exactly the contract's answers; the embedded one has a claim for it.
    """

    client: tuple[tuple[str, ...], ...] = _CLIENT
    municipality: tuple[str, ...] = ("municipalities",)
    municipalities: frozenset[str] | None = None
    scope: tuple[tuple[str, ...], ...] = _SCOPE
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

    def grant(self, payload: Mapping[str, Any], *, typed: bool = True) -> AccessGrant:
        """Map a payload whose signature and times are verified. Raises ``InvalidClaims``.

        ``typed``: the header names a type that access tokens have.
        """
        if not _is_access_token(payload, typed):
            raise InvalidClaims("this is not an access token")
        client = _first(payload, self.client)
        if (
            not isinstance(client, str)
            or not client.isprintable()
            or not 1 <= len(client) <= _LONGEST
        ):
            names = " or ".join(".".join(path) for path in self.client)
            raise InvalidClaims(f"the token does not identify its client ({names})")
        issued: float | None = None
        if self.realm is not None:
            strict = client in self.strict
            client = f"{client}@{self.realm}"
        else:
            strict = payload.get(CONTRACT) == STRICT
            issued = float(payload.get("iat", 0))
        return AccessGrant(
            client,
            self._municipalities(payload),
            self._scopes(payload),
            float(payload["exp"]),
            _thumbprint(payload),
            strict,
            issued,
        )

    def _municipalities(self, payload: Mapping[str, Any]) -> frozenset[str]:
        if self.municipalities is not None:
            return self.municipalities
        return frozenset(_codes(claim_at(payload, self.municipality)))

    def _scopes(self, payload: Mapping[str, Any]) -> frozenset[str]:
        words = _words(_first(payload, self.scope))
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


def _is_access_token(payload: Mapping[str, Any], typed: bool) -> bool:
    """Return whether the payload is that of an access token.

    Keycloak names the type in ``typ`` (before version 25 its access tokens of users have a
    ``nonce`` too), Amazon Cognito in ``token_use``, without a type in the header. Of what names
    none anywhere, the claims decide.
    """
    if any(name in payload for name in _OF_ID_TOKENS):
        return False
    if "typ" in payload:
        return bool(payload["typ"] == "Bearer")
    if "token_use" in payload:
        return bool(payload["token_use"] == "access")  # noqa: S105 - a type, no password
    if "nonce" in payload:
        return False
    return typed or any(name in payload for name in _OF_ACCESS_TOKENS)


def _first(payload: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> Any:
    """Return the claim of the first path that has one."""
    return next((v for path in paths if (v := claim_at(payload, path)) is not None), None)


def _codes(value: Any) -> list[str]:
    """Read municipality codes: one or a list, as numbers or as texts with commas or blanks."""
    if isinstance(value, list):
        return [code for each in value if not isinstance(each, list) for code in _codes(each)]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _CODE_LIMIT:
        return [f"{value:04d}"]
    return [code for code in re.split(r"[,\s]+", value) if code] if isinstance(value, str) else []


def _words(value: Any) -> list[str]:
    """Split a string at spaces, or return the strings of a list; empty for anything else."""
    if isinstance(value, str):
        return value.split()
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    return []
