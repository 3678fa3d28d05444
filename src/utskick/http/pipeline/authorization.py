"""Before an endpoint is asked: the token, its scope, and the municipality that it speaks for."""

from __future__ import annotations

from fastapi import Request

from utskick.auth.claims import AccessGrant
from utskick.domain.errors import OtherMunicipality, ScopeMissing, Unauthorized
from utskick.http.audit.denials import Denial
from utskick.http.audit.subject import Audit
from utskick.http.context import ApiContext


class Authorization:
    """Of one operation. ``scope``: what it needs. Whom it refuses, the audit trail knows before
    they are answered."""

    def __init__(
        self,
        operation: str,
        scope: str,
        audit: Audit | None,
        service: ApiContext,
    ) -> None:
        door = service.access.door
        assert door is not None, "authorization without a bearer authenticator"
        self._door = door
        self._operation = operation
        self._scope = scope
        self._audit = audit
        self._default = service.default_municipality
        self._served = frozenset(service.municipalities)
        self._certificate = door.certificate_header
        self._refusals = service.refusals

    async def admit(self, request: Request) -> None:
        """The grant stays with the request. Raises ``Unauthorized``, ``ScopeMissing``,
        ``OtherMunicipality`` or ``IssuerAway``.

        A municipality that is not served here at all is left to the endpoint, which names it beside
        all other faults.
        """
        municipality_id = request.path_params.get("municipalityId", self._default)
        grant: AccessGrant | None = None
        try:
            grant = await self._shown(request)
            self._door.check_scope(grant, self._scope)
            if municipality_id in self._served:
                self._door.check_municipality(grant, municipality_id)
        except (Unauthorized, ScopeMissing, OtherMunicipality) as error:
            await self._refusals.note(
                Denial(request, self._operation, municipality_id, error, grant, self._audit)
            )
            raise
        request.state.client = grant.client

    async def _shown(self, request: Request) -> AccessGrant:
        shown = request.headers.getlist("authorization")
        if len(shown) > 1:
            raise Unauthorized(
                "there must be one Authorization header",
                headers={"WWW-Authenticate": 'Bearer error="invalid_request"'},
            )
        return await self._door.grant(
            shown[0] if shown else None, certificate_of(request, self._certificate)
        )


def certificate_of(request: Request, header: str | None) -> str | None:
    """The thumbprint of the client's certificate that the proxy told; a second such header would be
    the client's own."""
    told = request.headers.getlist(header) if header is not None else []
    return told[0].strip().rstrip("=") or None if len(told) == 1 else None
