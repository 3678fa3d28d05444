"""Operations of the embedded token issuer."""

from __future__ import annotations

from typing import Final

from utskick.auth import scopes
from utskick.http.context import ApiContext
from utskick.http.oauth.endpoints import IssuerEndpoints
from utskick.http.oauth.schemas import JsonObject, Token, TokenForm, TokenRefusal
from utskick.http.operation import PUBLIC, Answer, Body, Operation, RateClass, Route
from utskick.http.operation.operation import FORM

_TAG: Final = "Tokens"


def operations(service: ApiContext) -> list[Route]:
    """Return the operations of the issuer; none where tokens come from elsewhere."""
    access = service.access
    if access.issuer is None:
        return []
    header = access.authenticator.certificate_header if access.authenticator is not None else None
    names = tuple(scopes.every(service.channels))
    endpoints = IssuerEndpoints(access.issuer, names, header, service.refusals)
    return [
        Route(TOKEN, endpoints.token),
        Route(JWKS, endpoints.jwks),
        Route(METADATA, endpoints.metadata),
        Route(OPENID_METADATA, endpoints.metadata),
    ]


TOKEN: Final = Operation(
    id="token",
    method="POST",
    path="/oauth2/token",
    summary="Get an access token by client credentials",
    description="The token endpoint of OAuth 2.0 (RFC 6749 section 4.4). The client authenticates "
    "by HTTP Basic, by form parameters, by a signed assertion (RFC 7523), or by a certificate.",
    tag=_TAG,
    scope=PUBLIC,
    rate=RateClass.TOKEN,
    body=Body(
        TokenForm,
        FORM,
        {"grant_type": "client_credentials", "scope": "status:read history:read"},
    ),
    answers={
        200: Answer(Token),
        400: Answer(TokenRefusal, "Bad Request: the request, the grant type or the scope is wrong"),
        401: Answer(
            TokenRefusal,
            "Unauthorized: the client is unknown, or its credentials are wrong",
            headers=("WWW-Authenticate",),
        ),
        503: Answer(TokenRefusal, "Service Unavailable: too many clients authenticate"),
    },
    problems={408: None, 413: None},
)


def _published(operation: str, path: str, summary: str, description: str) -> Operation:
    return Operation(
        id=operation,
        method="GET",
        path=path,
        summary=summary,
        description=description,
        tag=_TAG,
        scope=PUBLIC,
        rate=RateClass.ADDRESS,
        answers={200: Answer(JsonObject)},
        bad_request=False,
    )


JWKS: Final = _published(
    "jwks",
    "/oauth2/jwks",
    "Get the public keys that verify tokens",
    "A JSON Web Key Set (RFC 7517) with the current keys and those that are about to be used.",
)
METADATA: Final = _published(
    "metadata",
    "/.well-known/oauth-authorization-server",
    "Get the metadata of the authorization server",
    "Authorization server metadata (RFC 8414).",
)
OPENID_METADATA: Final = _published(
    "openidMetadata",
    "/.well-known/openid-configuration",
    "Get the metadata of the authorization server, at the path of OpenID Connect",
    "The same document, for clients that look for it at the path of OpenID Connect Discovery.",
)
