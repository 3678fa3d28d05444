"""Routes of operations: authorization, rate limit and audit around the endpoint.

Served without FastAPI's dependency machinery.

Half of the time of a request was spent there (bench/README.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import structlog
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from utskick.auth import scopes
from utskick.domain.errors import NotFound, TooMany, UtskickError
from utskick.http.context import ApiContext
from utskick.http.operation import PUBLIC, Operation, RateClass, Route
from utskick.http.operation.operation import ChangeEndpoint, ReadEndpoint
from utskick.http.operation.strict import Strict
from utskick.http.pipeline.audit import AuditRecorder
from utskick.http.pipeline.authorization import Authorization
from utskick.http.pipeline.rate_limit import RateLimiter
from utskick.http.wire import problems
from utskick.http.wire.caller import address_of
from utskick.http.wire.language import LANGUAGE, preferred
from utskick.http.wire.responses import with_line_end
from utskick.store.database import FAULTS, unavailable
from utskick.store.deadline import LIMIT

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stages:
    """Stages around an endpoint: authorization and rate limit before it, audit around it.

    None where the operation passes without.
    """

    authorization: Authorization | None
    rates: RateLimiter
    recorder: AuditRecorder | None


class Routes:
    """Registers operations with an application and keeps them for the API description."""

    def __init__(self, app: FastAPI, service: ApiContext) -> None:
        self._app = app
        self._service = service
        self._recorder = AuditRecorder(service)
        self._rates = RateLimiter(service.rate)
        self._token_rates = RateLimiter(service.access.token_rate)
        self._scopes = scopes.every(service.channels)
        self._strict = Strict(service.channels)
        self._resources: dict[str, _Resource] = {}
        self.operations: list[Operation] = []

    def add(self, routes: Iterable[Route]) -> None:
        """Register routes in order.

        Raises ``ValueError`` for an operation whose id is taken, whose scope is neither known nor
        ``PUBLIC``, or whose path is matched by one before it.
        """
        for route in routes:
            operation = route.operation
            if operation.scope is not PUBLIC and operation.scope not in self._scopes:
                raise ValueError(f"{operation.id} needs an unknown scope: {operation.scope!r}")
            if any(known.id == operation.id for known in self.operations):
                raise ValueError(f"two operations have the id {operation.id}")
            self.operations.append(operation)
            path = operation.served or operation.path
            self._resource(path).add(
                operation.method,
                _Endpoint(route, self._stages(operation), self._service, self._strict),
            )

    def _resource(self, path: str) -> _Resource:
        """Return the resource at a path, registered at its first operation."""
        if (known := self._resources.get(path)) is not None:
            return known
        routes = self._app.router.routes
        if hidden := next(
            (r for r in routes if isinstance(r, StarletteRoute) and r.path_regex.match(path)), None
        ):
            raise ValueError(f"{path} is never reached: {hidden.path} is matched before it")
        found = self._resources[path] = _Resource()
        routes.append(StarletteRoute(path, found, methods=None))
        return found

    def _stages(self, operation: Operation) -> Stages:
        guarded = self._service.access.authenticator is not None and operation.scope is not PUBLIC
        return Stages(
            Authorization(operation, self._service) if guarded else None,
            self._token_rates if operation.rate is RateClass.TOKEN else self._rates,
            self._recorder if operation.audit is not None else None,
        )


class _Resource:
    """ASGI application of one path: its operations by method, 405 for all others.

    A path without placeholders has its own methods only, not also those of one with placeholders
    that matches it, too (RFC 9110 sections 10.2.1 and 15.5.6).
    """

    def __init__(self) -> None:
        self._endpoints: dict[str, _Endpoint] = {}

    def add(self, method: str, endpoint: _Endpoint) -> None:
        self._endpoints[method] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is not None:
            await endpoint(scope, receive, send)
            return
        await problems.method_not_allowed(self._endpoints)(scope, receive, send)


class _Endpoint:
    """ASGI application of one operation."""

    def __init__(self, route: Route, stages: Stages, service: ApiContext, strict: Strict) -> None:
        self._operation = route.operation
        self._serve = route.endpoint
        self._stages = stages
        self._service = service
        self._strict = strict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        LIMIT.set(self._service.database.limit)
        LANGUAGE.set(preferred(request.headers.get("accept-language")))
        try:
            await self._admit(request)
            if self._stages.recorder is None:
                answer = await cast(ReadEndpoint, self._serve)(request)
            else:
                answer = await self._audited(request, self._stages.recorder)
        except UtskickError as error:
            if isinstance(error, NotFound) and self._stages.authorization is not None:
                await self._stages.authorization.not_found(request, error)
            answer = problems.of_error(error)
        except FAULTS as fault:
            answer = problems.of_error(unavailable(fault))
        except ClientDisconnect:
            log.info("client-disconnected", operation=self._operation.id)
            return
        self._count_refused(request, answer)
        if getattr(request.state, "strict", False):
            answer = await self._strict.answer(self._operation, answer)
        await with_line_end(answer)(scope, receive, send)

    async def _admit(self, request: Request) -> None:
        """Check token and rate. Raises an ``UtskickError`` with the response."""
        authorization, rates = self._stages.authorization, self._stages.rates
        if authorization is not None:
            try:
                await authorization.admit(request)
            except UtskickError:
                rates.take(self._bucket_of(request))
                raise
        if self._operation.rate is RateClass.CLIENT:
            _take(rates, request, self._service)
        elif self._operation.rate is RateClass.REFUSED:
            rates.check(self._bucket_of(request))
        else:
            rates.take(f"public {address_of(request)}")

    def _bucket_of(self, request: Request) -> str:
        """Return the name of the bucket of refused calls; reports of providers have their own."""
        return f"refused {self._operation.rate.value} {address_of(request)}"

    def _count_refused(self, request: Request, answer: Response) -> None:
        if self._operation.rate is RateClass.REFUSED and 400 <= answer.status_code < 429:
            with suppress(TooMany):  # it is the next call that is answered so
                self._stages.rates.take(self._bucket_of(request))

    async def _audited(self, request: Request, recorder: AuditRecorder) -> Response:
        """Serve with the audit entry.

        It is handed to an endpoint that changes something, and written before the response of one
        that reads.
        """
        audit = self._operation.audit
        assert audit is not None
        entry = await recorder.entry(request, self._operation)
        if audit.changes:
            return await cast(ChangeEndpoint, self._serve)(request, entry)
        answer = await cast(ReadEndpoint, self._serve)(request)
        await recorder.note(entry)
        return answer


def _take(rates: RateLimiter, request: Request, service: ApiContext) -> None:
    """Count a call of the client.

    By the limit of the municipality where that has one of its own.
    """
    client = getattr(request.state, "client", None) or address_of(request)
    municipality_id = request.path_params.get("municipalityId", service.default_municipality)
    rate = service.rate_of(municipality_id)
    rates.take(client if rate is None else f"{client} {municipality_id}", rate)
