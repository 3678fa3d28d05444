"""How a call is routed: described like every FastAPI route, behind the door where it is not public,
and served lean."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from utskick.auth import scopes
from utskick.domain.audit import Action
from utskick.domain.errors import UtskickError
from utskick.http import operation as openapi
from utskick.http.context import ApiContext
from utskick.http.pipeline.audit import ACTIONS, AuditRecorder
from utskick.http.pipeline.authorization import Authorization
from utskick.http.pipeline.rate_limit import RateLimiter
from utskick.http.wire import problems

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Escort:
    """Who stands beside a call: before it the guard (None: there is no door, or it is public) and
    the rates (None: it is public), and after it the tracing, where it is traced (``action``)."""

    guard: Authorization | None
    rates: RateLimiter | None
    tracing: AuditRecorder
    action: Action | None


class Routes:
    """Where routes are added to. An operation that the table of scopes does not know is refused
    here, before anything is served."""

    def __init__(self, app: FastAPI, service: ApiContext) -> None:
        self._app = app
        self._service = service
        self._tracing = AuditRecorder(service)
        self._rates = RateLimiter(service.rate)

    def add(
        self,
        method: str,
        path: str,
        endpoint: Endpoint,
        described: dict[str, Any],
        scope: str | None = None,
    ) -> None:
        """``scope``: of an operation that is a channel's; the others' are in the table."""
        operation = described["operationId"]
        needed = scope or scopes.needed(operation)
        door, guard = self._service.access.authenticator, None
        if door is not None and needed is not None:
            guard = Authorization(door, operation, needed, self._service)
            described = openapi.guarded(described, needed, self._service.access)
        if needed is not None:
            described = openapi.limited(described)
        self._app.router.routes.append(
            _Route(
                path,
                endpoint,
                Escort(
                    guard,
                    self._rates if needed is not None else None,
                    self._tracing,
                    ACTIONS.get(operation),
                ),
                self._service,
                methods=[method],
                response_class=Response,
                response_model=None,
                name=operation,
                operation_id=operation,
                summary=described.pop("summary"),
                tags=described.pop("tags"),
                openapi_extra=described,
                status_code=int(next(iter(described["responses"]))),
            )
        )


class _Route(APIRoute):
    """Served without what our endpoints do not use: dependencies, background tasks, models.

    Half of the time of a request went there (bench/README.md).
    """

    def __init__(
        self, path: str, endpoint: Endpoint, escort: Escort, service: ApiContext, **described: Any
    ) -> None:
        super().__init__(path, endpoint, **described)
        self.app = _lean(endpoint, escort, described["name"], service)


def _lean(endpoint: Endpoint, escort: Escort, operation: str, service: ApiContext) -> ASGIApp:
    guard, rates, tracing, action = escort.guard, escort.rates, escort.tracing, escort.action

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            if guard is not None:
                await guard.admit(request)
            if rates is not None:
                _take(rates, request, service)
            answer = await endpoint(request)
            if action is not None:
                await tracing.note(request, operation, action)
        except UtskickError as error:
            answer = problems.of_error(error)
        await answer(scope, receive, send)

    return serve


def _take(rates: RateLimiter, request: Request, service: ApiContext) -> None:
    """One call of this client: by the limit of its municipality, where that has one of its own."""
    client = getattr(request.state, "client", None) or (
        request.client.host if request.client else ""
    )
    municipality_id = request.path_params.get("municipalityId", service.default_municipality)
    rate = service.rate_of(municipality_id)
    rates.take(client if rate is None else f"{client} {municipality_id}", rate)
