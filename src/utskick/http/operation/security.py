"""What calls ask of their callers: the ways to a token, the scope of each operation, and the
answers to who has none."""

from __future__ import annotations

from typing import Any, Final

from utskick.auth import scopes
from utskick.auth.setup import Access
from utskick.http.context import ApiContext
from utskick.http.docs.schemas import ref
from utskick.http.operation.responses import problems_of, success

_TAG: Final = "Tokens"
_GRANT: Final = "client_credentials"
_TEXT: Final = {"type": "string"}
_CHALLENGE: Final = {
    "WWW-Authenticate": {"description": "What is missing (RFC 6750)", "schema": _TEXT}
}


def schemes(service: ApiContext) -> dict[str, Any]:
    """``components.securitySchemes``."""
    access, found = service.access, dict[str, Any]()
    if access.issuer is not None:
        flow = {"tokenUrl": access.issuer.token_url, "scopes": scopes.every(service.channels)}
        found["oauth2"] = {"type": "oauth2", "flows": {"clientCredentials": flow}}
    if access.discovery is not None:
        found["issuer"] = {"type": "openIdConnect", "openIdConnectUrl": access.discovery}
    if access.authenticator is not None:
        found["bearer"] = {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token (RFC 9068)",
        }
    return found


def guarded(described: dict[str, Any], scope: str, access: Access) -> dict[str, Any]:
    """An operation with the scope that it needs, by each of the ways to a token."""
    ways = {"oauth2": access.issuer, "issuer": access.discovery, "bearer": access.authenticator}
    refusals = problems_of(
        401,
        403,
        _401="There is no valid access token; `detail` says where to get one",
        _403=f"The token lacks the scope `{scope}`, or does not speak for the municipality",
    )
    for answer in refusals.values():
        answer["headers"] = dict(_CHALLENGE)
    return {
        **described,
        "security": [{name: [scope]} for name, way in ways.items() if way is not None],
        "responses": {**described["responses"], **refusals},
    }


def limited(described: dict[str, Any]) -> dict[str, Any]:
    """An operation that a client may not call without end."""
    return {**described, "responses": {**described["responses"], **problems_of(429)}}


def token() -> dict[str, Any]:
    """The token endpoint (RFC 6749)."""
    names = (
        "grant_type",
        "scope",
        "client_id",
        "client_secret",
        "client_assertion_type",
        "client_assertion",
    )
    form = {"type": "object", "properties": dict.fromkeys(names, _TEXT), "required": ["grant_type"]}
    example = {"grant_type": _GRANT, "scope": "sms:send status:read"}
    refused = {"content": {"application/json": {"schema": ref("TokenRefusal")}}}
    return {
        "operationId": "token",
        "summary": "Get an access token, by client credentials",
        "tags": [_TAG],
        "parameters": [],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form, "example": example}},
        },
        "responses": {
            "200": success(ref("Token")),
            "400": {
                "description": "Bad Request: the request, the grant or the scope is wrong",
                **refused,
            },
            "401": {
                "description": "Unauthorized: the client is not known, or what it shows is wrong",
                "headers": dict(_CHALLENGE),
                **refused,
            },
            **problems_of(413, 500, 503),
        },
    }


def published(operation: str, summary: str) -> dict[str, Any]:
    answers = {"200": success({"type": "object"}), **problems_of(500, 503)}
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [_TAG],
        "parameters": [],
        "responses": answers,
    }
