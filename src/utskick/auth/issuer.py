"""The embedded issuer: the token endpoint (RFC 6749 section 4.4) and what it publishes (RFC 8414),
without HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote_plus

from utskick.auth import client_assertion as assertion
from utskick.auth.claims import AccessGrant
from utskick.auth.client_authentication import Authentication, LoginThrottled, Shown
from utskick.auth.client_registry import is_name
from utskick.auth.key_rotation import Signing
from utskick.auth.settings import AuthSection
from utskick.domain.clock import Clock
from utskick.domain.ids import new_id
from utskick.outgoing.parsing import credentials
from utskick.store.administration.clients import Client, Clients
from utskick.store.database import answering

_WORD: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")  # RFC 6749 appendix A.4
_TOKEN, _KEYS = "/oauth2/token", "/oauth2/jwks"
_GRANT: Final = "client_credentials"


class TokenDenied(Exception):
    """RFC 6749 section 5.2: ``error`` is one of its words. ``client_id``: who it was said to be,
    where that was not proved."""

    def __init__(
        self,
        error: str,
        description: str,
        status: int = 400,
        *,
        wait: float | None = None,
        client_id: str | None = None,
    ) -> None:
        super().__init__(error)
        self.error, self.description, self.status, self.wait, self.client_id = (
            error,
            description,
            status,
            wait,
            client_id,
        )


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A call of the token endpoint: its form, its Authorization header, the thumbprint of the
    client's certificate."""

    form: Mapping[str, str]
    authorization: str | None = None
    certificate: str | None = None


class EmbeddedIssuer:
    """``name``: its ``iss``, the address under which it is known."""

    def __init__(
        self, section: AuthSection, name: str, clients: Clients, signing: Signing, clock: Clock
    ) -> None:
        self.name = name
        self.signing = signing
        self._section = section
        self._clients = clients
        self._clock = clock
        self._authentication = Authentication(clients, (name, self.token_url), clock)

    @property
    def token_url(self) -> str:
        return self.name + _TOKEN

    async def token(self, asked: TokenRequest) -> dict[str, Any]:
        """The answer of section 5.1. Raises ``TokenDenied``, or ``Unavailable`` where the database
        is away."""
        grant_type = asked.form.get("grant_type")
        if not grant_type:
            raise TokenDenied(
                "invalid_request", "grant_type is missing: send grant_type=client_credentials"
            )
        shown = _shown(asked)
        if grant_type != _GRANT:
            raise TokenDenied("unsupported_grant_type", "only client_credentials is given here")
        async with answering():
            client = await self._client(shown)
            scopes = _scopes(asked.form.get("scope"), client.scopes)
            now = self._clock()
            await self._clients.used(client.id, now, now - timedelta(minutes=1))
        scope = " ".join(scopes)
        token = await self.signing.sign(self._claims(client, scope, asked.certificate), "at+jwt")
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._section.token_seconds,
            "scope": scope,
        }

    async def grant_of(self, client_id: str) -> AccessGrant | None:
        """What a client of this name may, whoever asks; None: there is none."""
        client = await self._clients.get(client_id) if is_name(client_id) else None
        return (
            AccessGrant(client.id, frozenset(client.municipalities), frozenset(client.scopes), 0.0)
            if client is not None
            else None
        )

    async def _client(self, shown: Shown) -> Client:
        try:
            client = await self._authentication.client(shown)
        except LoginThrottled as fault:
            sentence = "wrong credentials were shown for this client too often; wait and try again"
            raise TokenDenied(
                "invalid_client", sentence, 401, wait=fault.wait, client_id=shown.client_id
            ) from None
        if client is None:
            raise TokenDenied(
                "invalid_client",
                "the client is not known, or what it shows is wrong",
                401,
                client_id=shown.client_id,
            )
        return client

    def _claims(self, client: Client, scope: str, certificate: str | None) -> dict[str, Any]:
        """RFC 9068 section 2.2; bound to the certificate that the client came with (RFC 8705
        section 3)."""
        now = int(self._clock().timestamp())
        return {
            "iss": self.name,
            "sub": client.id,
            "client_id": client.id,
            "aud": self._section.audience,
            "iat": now,
            "exp": now + self._section.token_seconds,
            "jti": new_id().hex,
            "scope": scope,
            "municipalities": list(client.municipalities),
            **({"cnf": {"x5t#S256": certificate}} if certificate else {}),
        }

    def metadata(self, scopes: Iterable[str]) -> dict[str, Any]:
        """RFC 8414 section 2; OpenID Connect Discovery asks for three more, of which there is
        nothing here."""
        methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
        return {
            "issuer": self.name,
            "token_endpoint": self.token_url,
            "jwks_uri": self.name + _KEYS,
            "scopes_supported": list(scopes),
            "grant_types_supported": [_GRANT],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256"],
            "tls_client_certificate_bound_access_tokens": self._section.certificate_header
            is not None,
        }


def _shown(asked: TokenRequest) -> Shown:
    """One way, and not two (section 2.3). Raises ``TokenDenied``."""
    form = asked.form
    ways = [asked.authorization is not None, "client_secret" in form, "client_assertion" in form]
    if sum(ways) > 1:
        raise TokenDenied("invalid_request", "the client shows itself in more than one way")
    if asked.authorization is not None:
        return _basic(asked.authorization, form.get("client_id"))
    if "client_assertion" in form:
        return _asserted(form)
    if "client_secret" in form and form.get("client_id"):
        return Shown(form["client_id"], form["client_secret"])
    raise TokenDenied(
        "invalid_client", "no client: send its id and secret by HTTP Basic, or an assertion", 401
    )


def _basic(authorization: str, client_id: str | None) -> Shown:
    """RFC 6749 section 2.3.1: id and secret are form-encoded before they become Basic
    credentials."""
    found = credentials(authorization)
    if found is None:
        raise TokenDenied(
            "invalid_client",
            "the Authorization header must be HTTP Basic with the client's id and secret",
            401,
        )
    name, secret = map(unquote_plus, found)
    if client_id is not None and client_id != name:
        raise TokenDenied(
            "invalid_request", "client_id is not the client of the Authorization header"
        )
    return Shown(name, secret)


def _asserted(form: Mapping[str, str]) -> Shown:
    if form.get("client_assertion_type") != assertion.KIND:
        raise TokenDenied("invalid_request", f"client_assertion_type must be {assertion.KIND}")
    text = form["client_assertion"]
    try:
        client_id = assertion.claimed_by(text)
    except assertion.Unproven:
        raise TokenDenied(
            "invalid_client", "the assertion is not a signed JWT with the client as its sub", 401
        ) from None
    if form.get("client_id", client_id) != client_id:
        raise TokenDenied("invalid_request", "client_id is not the client of the assertion")
    return Shown(client_id, assertion=text)


def _scopes(asked: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Those that were asked for, or all that the client may."""
    if asked is None or not asked.strip(" "):
        return allowed
    words = tuple(dict.fromkeys(word for word in asked.split(" ") if word))
    if not all(_WORD.match(word) for word in words) or not set(words) <= set(allowed):
        raise TokenDenied("invalid_scope", f"this client may have: {' '.join(allowed)}")
    return words
