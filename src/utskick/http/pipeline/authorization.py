"""Authorization of a call: access token, scope, and municipality."""

from __future__ import annotations

from functools import partial

from fastapi import Request

from utskick.auth.claims import AccessGrant
from utskick.domain.errors import NotFound, OtherMunicipality, ScopeMissing, Unauthorized
from utskick.http.audit.denials import Denial
from utskick.http.context import ApiContext
from utskick.http.operation import Operation


class Authorization:
    """Checks the access token of calls to one operation.

    Denied calls are audited before they are answered.
    """

    def __init__(self, operation: Operation, service: ApiContext) -> None:
        door = service.access.authenticator
        assert door is not None, "authorization without a bearer authenticator"
        self._door = door
        self._operation = operation
        self._scope = str(operation.scope)
        self._default = service.default_municipality
        self._served = frozenset(service.municipalities)
        self._certificate = door.certificate_header
        self._denials = service.refusals

    async def admit(self, request: Request) -> None:
        """Check token, scope and municipality, and keep client and token with the request.

        A municipality that is not served is left to the endpoint, which lists it beside all other
        violations. Raises ``Unauthorized``, ``ScopeMissing``, ``OtherMunicipality`` or
        ``IssuerAway``.
        """
        municipality_id = request.path_params.get("municipalityId", self._default)
        grant: AccessGrant | None = None
        try:
            grant = await self._grant(request)
            request.state.strict = grant.strict
            self._door.check_scope(grant, self._scope)
            if municipality_id in self._served:
                self._door.check_municipality(grant, municipality_id)
        except (Unauthorized, ScopeMissing, OtherMunicipality) as error:
            await self._deny(request, error, grant)
            raise
        request.state.client, request.state.grant = grant.client, grant
        request.state.scope_check = partial(self._require, grant)  # not of the request: no cycle

    async def not_found(self, request: Request, error: NotFound) -> None:
        """Record that an admitted call asked for an id that does not exist here."""
        await self._deny(request, error, request.state.grant)

    async def _require(self, grant: AccessGrant, request: Request, scope: str) -> None:
        """Check one more scope, for ``wire.caller.require_scope``."""
        try:
            self._door.check_scope(grant, scope)
        except ScopeMissing as error:
            await self._deny(request, error, grant)
            raise

    async def _deny(
        self,
        request: Request,
        error: Unauthorized | ScopeMissing | OtherMunicipality | NotFound,
        grant: AccessGrant | None,
    ) -> None:
        municipality_id = request.path_params.get("municipalityId", self._default)
        operation = self._operation
        await self._denials.note(
            Denial(request, operation.id, municipality_id, error, grant, operation.audit)
        )

    async def _grant(self, request: Request) -> AccessGrant:
        found = request.headers.getlist("authorization")
        if len(found) > 1:
            raise Unauthorized(
                "there must be one Authorization header",
                headers={"WWW-Authenticate": 'Bearer error="invalid_request"'},
            )
        return await self._door.grant(
            found[0] if found else None, certificate_of(request, self._certificate)
        )


def certificate_of(request: Request, header: str | None) -> str | None:
    """Return the thumbprint of the client certificate from the proxy's header.

    None where there is not exactly one such header, since a second one would come from the client.
    """
    found = request.headers.getlist(header) if header is not None else []
    return found[0].strip().rstrip("=") or None if len(found) == 1 else None
