"""Embedded issuer: token endpoint (RFC 6749 section 4.4) and metadata (RFC 8414), without HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote_plus

from utskick.auth import client_assertion as assertion
from utskick.auth.claims import CONTRACT, STRICT, AccessGrant
from utskick.auth.client_authentication import (
    Authentication,
    LoginThrottled,
    PresentedCredentials,
)
from utskick.auth.client_registry import is_name
from utskick.auth.key_rotation import TokenSigner
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
    """Error response of the token endpoint (RFC 6749 section 5.2).

    ``error``: its code. ``wait``: seconds before a retry. ``client_id``: the claimed client, where
    it was not authenticated.
    """

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
        self.error = error
        self.description = description
        self.status = status
        self.wait = wait
        self.client_id = client_id


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Call of the token endpoint.

    ``authorization``: header value. ``certificate``: thumbprint of the client certificate.
    ``address``: of the caller.
    """

    form: Mapping[str, str]
    authorization: str | None = None
    certificate: str | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token: ``body`` of the response (RFC 6749 section 5.1), its client, and its scope."""

    body: Mapping[str, Any]
    grant: AccessGrant
    scope: str


class EmbeddedIssuer:
    """Issues tokens. ``name``: the issuer's ``iss``, its public address."""

    def __init__(
        self, section: AuthSection, name: str, clients: Clients, signing: TokenSigner, clock: Clock
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

    async def token(self, request: TokenRequest) -> IssuedToken:
        """Issue a token. Raises ``TokenDenied``, or ``Unavailable`` without the database."""
        grant_type = request.form.get("grant_type")
        if not grant_type:
            raise TokenDenied(
                "invalid_request", "grant_type is missing: send grant_type=client_credentials"
            )
        presented = replace(_presented(request), address=request.address)
        if grant_type != _GRANT:
            raise TokenDenied("unsupported_grant_type", "only client_credentials is supported")
        async with answering():
            client = await self._client(presented)
            scopes = _scopes(request.form.get("scope"), client.scopes)
            now = self._clock()
            await self._clients.used(client.id, now, now - timedelta(minutes=1))
        scope = " ".join(scopes)
        token = await self.signing.sign(self._claims(client, scope, request.certificate), "at+jwt")
        body = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._section.token_seconds,
            "scope": scope,
        }
        return IssuedToken(body, _grant_of(client), scope)

    async def grant_of(self, client_id: str) -> AccessGrant | None:
        """Return the permissions of a client without authentication, None if there is none."""
        client = await self._clients.get(client_id) if is_name(client_id) else None
        return _grant_of(client) if client is not None else None

    async def _client(self, presented: PresentedCredentials) -> Client:
        try:
            client = await self._authentication.client(presented)
        except LoginThrottled as fault:
            if fault.busy:
                sentence = "too many clients authenticate at the moment; wait and try again"
                raise TokenDenied(
                    "temporarily_unavailable", sentence, 503, wait=fault.wait
                ) from None
            sentence = (
                "too many failed attempts for this client from this address; wait and try again"
            )
            raise TokenDenied(
                "invalid_client", sentence, 401, wait=fault.wait, client_id=presented.client_id
            ) from None
        if client is None:
            raise TokenDenied(
                "invalid_client",
                "the client is not known, or its credentials are wrong",
                401,
                client_id=presented.client_id,
            )
        return client

    def _claims(self, client: Client, scope: str, certificate: str | None) -> dict[str, Any]:
        """Build the claims (RFC 9068 section 2.2), bound to the certificate (RFC 8705 3)."""
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
            **({CONTRACT: STRICT} if client.contract == STRICT else {}),
            **({"cnf": {"x5t#S256": certificate}} if certificate else {}),
        }

    def metadata(self, scopes: Iterable[str]) -> dict[str, Any]:
        """Build the metadata (RFC 8414 section 2).

        Three members required by OpenID Connect Discovery have no content here.
        """
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


def _presented(request: TokenRequest) -> PresentedCredentials:
    """Read the credentials, given by exactly one method (section 2.3). Raises ``TokenDenied``."""
    form = request.form
    methods = [
        request.authorization is not None,
        "client_secret" in form,
        "client_assertion" in form,
    ]
    if sum(methods) > 1:
        raise TokenDenied("invalid_request", "the client authenticates by more than one method")
    if request.authorization is not None:
        return _basic(request.authorization, form.get("client_id"))
    if "client_assertion" in form:
        return _asserted(form)
    if "client_secret" in form and form.get("client_id"):
        return PresentedCredentials(form["client_id"], form["client_secret"])
    raise TokenDenied(
        "invalid_client", "no client: send its id and secret by HTTP Basic, or an assertion", 401
    )


def _basic(authorization: str, client_id: str | None) -> PresentedCredentials:
    """Read HTTP Basic, in which id and secret are form-encoded (RFC 6749 section 2.3.1)."""
    login = credentials(authorization)
    if login is None:
        raise TokenDenied(
            "invalid_client",
            "the Authorization header must be HTTP Basic with the client's id and secret",
            401,
        )
    name, secret = map(unquote_plus, login)
    if client_id is not None and client_id != name:
        raise TokenDenied(
            "invalid_request", "client_id is not the client of the Authorization header"
        )
    return PresentedCredentials(name, secret)


def _asserted(form: Mapping[str, str]) -> PresentedCredentials:
    if form.get("client_assertion_type") != assertion.KIND:
        raise TokenDenied("invalid_request", f"client_assertion_type must be {assertion.KIND}")
    text = form["client_assertion"]
    try:
        client_id = assertion.claimed_by(text)
    except assertion.InvalidAssertion:
        raise TokenDenied(
            "invalid_client", "the assertion is not a signed JWT with the client as its sub", 401
        ) from None
    if form.get("client_id", client_id) != client_id:
        raise TokenDenied("invalid_request", "client_id is not the client of the assertion")
    return PresentedCredentials(client_id, assertion=text)


def _scopes(requested: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requested scopes, default all that the client is allowed."""
    if requested is None or not requested.strip(" "):
        return allowed
    words = tuple(dict.fromkeys(word for word in requested.split(" ") if word))
    if not all(_WORD.match(word) for word in words) or not set(words) <= set(allowed):
        raise TokenDenied("invalid_scope", f"this client may have: {' '.join(allowed)}")
    return words


def _grant_of(client: Client) -> AccessGrant:
    return AccessGrant(client.id, frozenset(client.municipalities), frozenset(client.scopes), 0.0)
