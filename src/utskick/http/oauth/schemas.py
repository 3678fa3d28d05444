"""Request and response models of the token endpoint (RFC 6749 sections 4.4, 5.1 and 5.2)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import RootModel

from utskick.http.operation.schemas import Int32, Response, member, required


class TokenForm(Response):
    """Parameters of the token endpoint, sent as a form."""

    grant_type: str = required("`client_credentials`", "client_credentials", alias="grant_type")
    scope: str | None = member("Scopes, separated by spaces; absent: all of the client's")
    client_id: str | None = member("Id of the client", alias="client_id")
    client_secret: str | None = member("Secret of the client", alias="client_secret")
    client_assertion_type: str | None = member(
        "Type of the assertion (RFC 7523)", alias="client_assertion_type"
    )
    client_assertion: str | None = member(
        "A JWT signed by the client (RFC 7523)", alias="client_assertion"
    )


class Token(Response):
    """An access token."""

    access_token: str = required(
        "Access token, sent as `Authorization: Bearer …`", alias="access_token"
    )
    token_type: Literal["Bearer"] = required("Type of the token", "Bearer", alias="token_type")
    expires_in: Int32 = required("Lifetime in seconds", alias="expires_in")
    scope: str = required("Granted scopes, separated by spaces")


class TokenRefusal(Response):
    """Error response of the token endpoint."""

    error: str = required("Error code of RFC 6749, section 5.2")
    error_description: str | None = member("Explanation", alias="error_description")


class JsonObject(RootModel[dict[str, Any]]):
    """A JSON object whose members a standard defines."""
