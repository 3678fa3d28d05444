"""Health checks: whether the process answers, and whether it can do its work."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

import orjson
from fastapi import Request, Response

from utskick.domain.errors import IssuerAway, Unauthorized, Unavailable
from utskick.http.context import ApiContext
from utskick.http.operation import PUBLIC, Answer, Operation, RateClass, Route
from utskick.http.operation.schemas import Response as ResponseModel
from utskick.http.operation.schemas import member
from utskick.http.pipeline.authorization import certificate_of

#: Of a token that may see more than the status.
SCOPE: Final = "health:read"
#: Seconds to verify a token, for which the database may have to be asked.
_PATIENCE: Final = 1.0


class Health(ResponseModel):
    """State of the service."""

    status: Literal["UP", "DEGRADED", "DOWN"] | None = member(
        "`DEGRADED`: a provider account is down, or letters cannot be handed over; messages are "
        "accepted and wait. "
        "`DOWN`: it cannot do its work",
        "UP",
    )
    components: dict[str, Any] | None = member(
        "State of the parts, by name; only for a token with the scope `health:read`"
    )


class HealthOperations:
    """Endpoints of the health checks.

    ``ready`` responds 503 while the database is unavailable; a failing provider is reported and
    does not take the service out of rotation.
    """

    def __init__(self, service: ApiContext) -> None:
        self._service = service

    async def live(self, _request: Request) -> Response:
        return Response(b'{"status":"UP"}', media_type="application/json")

    async def ready(self, request: Request) -> Response:
        found = await self._service.ready()
        if not await self._may_see(request):
            found = {"status": "DOWN" if found["status"] == "DOWN" else "UP"}
        return Response(
            orjson.dumps(found),
            503 if found["status"] == "DOWN" else 200,
            media_type="application/json",
        )

    async def _may_see(self, request: Request) -> bool:
        """Return whether the caller may see the parts; nobody is refused, as probes must not be."""
        authenticator = self._service.access.authenticator
        if authenticator is None:
            return True
        certificate = certificate_of(request, authenticator.certificate_header)
        try:
            async with asyncio.timeout(_PATIENCE):
                grant = await authenticator.grant(request.headers.get("authorization"), certificate)
        except (Unauthorized, IssuerAway, Unavailable, TimeoutError):
            return False
        return SCOPE in grant.scopes


def operations(service: ApiContext) -> list[Route]:
    """Return the health checks."""
    health = HealthOperations(service)
    return [Route(LIVE, health.live), Route(READY, health.ready)]


LIVE: Final = Operation(
    id="live",
    method="GET",
    path="/health/live",
    summary="Liveness: whether the process answers",
    description="Responds 200 as long as the process serves requests.",
    tag="Health",
    scope=PUBLIC,
    rate=RateClass.ADDRESS,
    answers={200: Answer(Health)},
    bad_request=False,
)
READY: Final = Operation(
    id="ready",
    method="GET",
    path="/health/ready",
    summary="Readiness: whether the service can do its work",
    description="Responds 503 while the database is unavailable. Without a token the status is "
    "`UP` or `DOWN`; for one with the scope `health:read` also the parts. Providers that fail are "
    "listed and do not change the status code; `components.circuits` names each provider account, "
    "and each destination beyond one, that no attempts are made to for now: since when, why, and "
    "when it is tried again; `components.circuitEvents` lists the latest openings and closings. "
    "`components.handOvers` names each printing house to which letters cannot be handed over: "
    "since when, why, how many print batches and letters wait, and when it is tried again; "
    "`components.handOverEvents` lists when that began and ended. `components.connections` and "
    "`components.memory` count what this process has refused for its limits, if it has.",
    tag="Health",
    scope=PUBLIC,
    rate=RateClass.ADDRESS,
    answers={200: Answer(Health), 503: Answer(Health, "The database is unavailable")},
    bad_request=False,
)
