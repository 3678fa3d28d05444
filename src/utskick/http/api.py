"""The routes: which call goes to which endpoint, in both forms of the path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from utskick import __version__
from utskick.domain.errors import UtskickError
from utskick.http import directory, feed, openapi, problems, progress, records, retention, webhooks
from utskick.http.asking import Asking, Closing
from utskick.http.edge import Envelope
from utskick.http.health import Health
from utskick.http.history import Histories
from utskick.http.reading import Reading
from utskick.http.receiving import Receiving
from utskick.http.sending import Sending
from utskick.http.service import Service

Endpoint = Callable[[Request], Awaitable[Response]]

_DESCRIPTION = (
    "SMS, e-mail and more for public bodies: one API, a life-cycle status for every delivery, a history for every person. "
    "Every path exists with the municipality in front; the forms without it are for the default municipality."
)


def build(service: Service) -> FastAPI:
    app = FastAPI(
        title="Utskick",
        version=__version__,
        description=f"**{service.notice}**\n\n{_DESCRIPTION}" if service.notice else _DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    problems.install(app)
    app.add_middleware(Envelope)
    _sending(app, service)
    _asking(app, service)
    _reading(app, service)
    for call in (*records.calls(service), *directory.calls(service), *webhooks.calls(service), *retention.calls(service)):
        path = "/{municipalityId}" + call.path
        _route(app, call.method, "/{municipalityId}" + (call.served or call.path), call.endpoint, call.described.described(path))
    events = feed.FeedCalls(service)
    _route(app, "GET", "/events", events.events, feed.described("getEventsShort").described("/events"))
    _route(app, "GET", "/{municipalityId}/events", events.events, feed.described("getEvents").described("/{municipalityId}/events"))
    health = Health(service)
    _route(app, "GET", "/health/live", health.live, openapi.plain("live", "Whether the process answers", "Health"))
    _route(app, "GET", "/health/ready", health.ready, openapi.plain("ready", "Whether it can do its work", "Health"))
    receiving = Receiving(service)
    for path in ("/receipts/{channel}/{provider}", "/receipts/{channel}/{provider}/{secret}"):
        name = "takeReceipt" if "secret" not in path else "takeReceiptWithSecret"
        _route(app, "POST", path, receiving.take, openapi.receipt(name, path))
    openapi.install(app, service)
    return app


def _sending(app: FastAPI, service: Service) -> None:
    for channel in service.channels.values():
        for form in channel.forms:
            endpoint = Sending(service, channel, form)
            if form.short is not None:
                _route(app, "POST", f"/{form.path}", endpoint.short, openapi.sending(form, short=True))
            _route(app, "POST", f"/{{municipalityId}}/{form.path}", endpoint.long, openapi.sending(form, short=False))


def _asking(app: FastAPI, service: Service) -> None:
    """What channels can be asked besides sending."""
    for channel in service.channels.values():
        for question in channel.questions:
            path = f"/{{municipalityId}}/{question.path}"
            _route(app, "POST", path, Asking(service, question).answer, openapi.question(question, path))
        if channel.gathering is not None:
            path = f"/{{municipalityId}}/{channel.gathering.path}"
            _route(app, "POST", path, Closing(service, channel.name, channel.gathering).close, openapi.closing(channel.gathering, path))


def _reading(app: FastAPI, service: Service) -> None:
    reading = Reading(service)
    calls: list[tuple[str, str, Endpoint, str, str]] = [
        ("GET", "/status/batch/{batchId}", reading.batch_status, "getBatchStatus", "Get the status of a message batch"),
        ("GET", "/status/messages/{messageId}", reading.message_status, "getMessageStatus", "Get the status of a message"),
        ("GET", "/status/delivery/{deliveryId}", reading.delivery_status, "getDeliveryStatus", "Get the status of a delivery"),
        ("POST", "/deliveries/{deliveryId}/resolve", reading.resolve, "resolveDelivery", "Decide on a delivery that is held in doubt"),
    ]
    for method, path, endpoint, operation, summary in calls:
        for prefix in ("", "/{municipalityId}"):
            _route(app, method, prefix + path, endpoint, openapi.reading(operation, summary, prefix + path))
    watching = progress.Watching(service)
    for prefix in ("", "/{municipalityId}"):
        _route(app, "GET", prefix + progress.PATH, watching.events, progress.described(prefix + progress.PATH, short=not prefix))
    history = "getConversationHistoryShort", "Get the entire conversation history for a given party"
    path = "/{personId}/conversationHistory"
    _route(app, "GET", path, Histories(service).short_conversation, openapi.reading(*history, path))


class _Route(APIRoute):
    """Described like every FastAPI route, served without what our endpoints do not use: dependencies, background tasks, models.

    Half of the time of a request went there (bench/README.md).
    """

    def __init__(self, path: str, endpoint: Endpoint, **described: Any) -> None:
        super().__init__(path, endpoint, **described)
        self.app = _lean(endpoint)


def _lean(endpoint: Endpoint) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await endpoint(Request(scope, receive, send))
        except UtskickError as error:
            answer = problems.of_error(error)
        await answer(scope, receive, send)

    return serve


def _route(app: FastAPI, method: str, path: str, endpoint: Endpoint, described: dict[str, Any]) -> None:
    app.router.routes.append(
        _Route(
            path,
            endpoint,
            methods=[method],
            response_class=Response,
            response_model=None,
            name=described["operationId"],
            operation_id=described["operationId"],
            summary=described.pop("summary"),
            tags=described.pop("tags"),
            openapi_extra=described,
            status_code=int(next(iter(described["responses"]))),
        )
    )
