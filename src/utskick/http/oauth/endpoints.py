"""Endpoints of the embedded issuer: ``POST /oauth2/token``, its keys, its metadata."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import parse_qsl

import structlog
from fastapi import Request, Response

from utskick.auth.issuer import EmbeddedIssuer, TokenDenied, TokenRequest
from utskick.domain.errors import Unauthorized
from utskick.http.audit.denials import Denial, DenialLog
from utskick.http.pipeline.authorization import certificate_of
from utskick.http.wire.body import media_type_of, read_body
from utskick.http.wire.caller import address_of
from utskick.http.wire.responses import json_response
from utskick.store.database import PASSING

log = structlog.get_logger(__name__)

_LIMIT: Final = 32_768
#: Entries about wrong credentials that are written at a time.
_AT_ONCE: Final = 100
_WRONG: Final = "wrong credentials were shown for this client"
_FORM: Final = "application/x-www-form-urlencoded"
_ONCE: Final = frozenset(
    {
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "scope",
    }
)


class IssuerEndpoints:
    """Endpoints of the issuer.

    ``scopes``: all scopes of the service. ``RequestMiddleware`` adds ``Cache-Control: no-store``.
    """

    def __init__(
        self,
        issuer: EmbeddedIssuer,
        scopes: tuple[str, ...],
        certificate_header: str | None,
        refusals: DenialLog,
    ) -> None:
        self._issuer = issuer
        self._refusals = refusals
        self._auditing: set[asyncio.Task[None]] = set()
        self._scopes = scopes
        self._certificate = certificate_header

    async def token(self, request: Request) -> Response:
        try:
            form = await _form(request)
            token_request = TokenRequest(
                form,
                request.headers.get("authorization"),
                certificate_of(request, self._certificate),
                address_of(request),
            )
            issued = await self._issuer.token(token_request)
            await self._refusals.issued(request, issued.grant, issued.scope)
            return json_response(issued.body)
        except TokenDenied as fault:
            if fault.client_id is not None and len(self._auditing) < _AT_ONCE:
                # in a task, so that the response time does not reveal whether the client exists
                task = asyncio.create_task(self._audit_denial(request, fault.client_id))
                self._auditing.add(task)
                task.add_done_callback(self._auditing.discard)
            return _denied(fault)

    async def _audit_denial(self, request: Request, client_id: str) -> None:
        """Audit wrong credentials in the logs of all municipalities of the client."""
        try:
            grant = await self._issuer.grant_of(client_id)
        except PASSING as fault:
            log.warning("refusal-untraced", operation="token", fault=type(fault).__name__)
            return
        if grant is not None:
            await self._refusals.note(
                Denial(request, "token", "", Unauthorized(_WRONG, why=_WRONG), grant)
            )

    async def jwks(self, request: Request) -> Response:  # noqa: ARG002
        return json_response(await self._issuer.signing.published())

    async def metadata(self, request: Request) -> Response:  # noqa: ARG002
        return json_response(self._issuer.metadata(self._scopes))


async def _form(request: Request) -> dict[str, str]:
    """Read the form; no parameter may be repeated (RFC 6749 section 3.2).

    Raises ``TokenDenied``, ``TooLarge`` or ``TooSlow``.
    """
    body = await read_body(request, _LIMIT)
    if media_type_of(request) != _FORM:
        raise TokenDenied("invalid_request", f"send the parameters as {_FORM}")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=False, strict_parsing=False, max_num_fields=50
        )
    except ValueError:
        raise TokenDenied("invalid_request", "the body is not a form in UTF-8") from None
    names = [name for name, _ in pairs if name in _ONCE]
    if len(names) > len(set(names)):
        raise TokenDenied("invalid_request", "a parameter was sent twice")
    return dict(pairs)


def _denied(fault: TokenDenied) -> Response:
    """Build the error response (RFC 6749 section 5.2)."""
    headers = {"WWW-Authenticate": 'Basic realm="utskick"'} if fault.status == 401 else {}
    if fault.wait is not None:
        headers["Retry-After"] = str(int(fault.wait) + 1)
    answer = json_response(
        {"error": fault.error, "error_description": fault.description}, fault.status
    )
    answer.headers.update(headers)
    return answer
