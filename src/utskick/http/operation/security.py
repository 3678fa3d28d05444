"""Security schemes of the OpenAPI document, and the security requirements of operations."""

from __future__ import annotations

from typing import Any

from utskick.auth import scopes
from utskick.http.context import ApiContext
from utskick.http.operation.operation import PUBLIC, Operation


def schemes(service: ApiContext) -> dict[str, Any]:
    """Build ``components.securitySchemes``; empty where authentication is off."""
    access, found = service.access, dict[str, Any]()
    if access.issuer is not None:
        flow = {"tokenUrl": access.issuer.token_url, "scopes": scopes.every(service.channels)}
        found["oauth2"] = {
            "type": "oauth2",
            "description": "Client credentials, with tokens of this service",
            "flows": {"clientCredentials": flow},
        }
    if access.discovery is not None:
        found["issuer"] = {
            "type": "openIdConnect",
            "description": "Tokens of an external issuer",
            "openIdConnectUrl": access.discovery,
        }
    if access.authenticator is not None:
        found["bearer"] = {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token (RFC 9068)",
        }
    return found


def requirements(operation: Operation, names: list[str]) -> list[dict[str, list[str]]]:
    """Return the security requirements: one scheme each, or none for a public operation."""
    if operation.scope is PUBLIC:
        return []
    return [{name: [str(operation.scope)]} for name in names]
