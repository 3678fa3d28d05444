"""The routes: which call goes to which endpoint, in both forms of the path."""

from __future__ import annotations

from fastapi import FastAPI

from utskick import __version__
from utskick.auth import scopes
from utskick.http import operation as openapi
from utskick.http.configuration import endpoints as configuration
from utskick.http.context import ApiContext
from utskick.http.directory import routes as directory
from utskick.http.events import feed, webhooks
from utskick.http.history import routes as records
from utskick.http.history.conversations import Histories
from utskick.http.messages import progress
from utskick.http.messages.channel_queries import BatchCloseOperation, ChannelQueryOperation
from utskick.http.messages.receipts import ReceiptOperations
from utskick.http.messages.send import SendOperation
from utskick.http.messages.status import StatusOperations
from utskick.http.oauth import endpoints as oauth
from utskick.http.pipeline.health import HealthOperations
from utskick.http.pipeline.routing import Endpoint, Routes
from utskick.http.retention import endpoints as retention
from utskick.http.wire import problems
from utskick.http.wire.middleware import RequestMiddleware

_DESCRIPTION = (
    "SMS, e-mail and more for public bodies: one API, a life-cycle status for every delivery, a history for every person. "
    "Every path exists with the municipality in front; the forms without it are for the default municipality."
)


def build(service: ApiContext) -> FastAPI:
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
    app.add_middleware(RequestMiddleware)
    to = Routes(app, service)
    _sending(to, service)
    _asking(to, service)
    _reading(to, service)
    of_all = (
        records,
        directory,
        webhooks,
        retention,
        configuration,
    )  # retention before configuration, whose paths hold a name
    for call in (call for each in of_all for call in each.calls(service)):
        path = "/{municipalityId}" + call.path
        to.add(
            call.method,
            "/{municipalityId}" + (call.served or call.path),
            call.endpoint,
            call.described.described(path),
        )
    events = feed.FeedCalls(service)
    to.add("GET", "/events", events.events, feed.described("getEventsShort").described("/events"))
    to.add(
        "GET",
        "/{municipalityId}/events",
        events.events,
        feed.described("getEvents").described("/{municipalityId}/events"),
    )
    health = HealthOperations(service)
    to.add(
        "GET",
        "/health/live",
        health.live,
        openapi.plain("live", "Whether the process answers", "Health"),
    )
    to.add(
        "GET",
        "/health/ready",
        health.ready,
        openapi.plain("ready", "Whether it can do its work", "Health"),
    )
    receiving = ReceiptOperations(service)
    for path in ("/receipts/{channel}/{provider}", "/receipts/{channel}/{provider}/{secret}"):
        name = "takeReceipt" if "secret" not in path else "takeReceiptWithSecret"
        to.add("POST", path, receiving.take, openapi.receipt(name, path))
    _issuer(to, service)
    openapi.install(app, service)
    return app


def _issuer(to: Routes, service: ApiContext) -> None:
    access = service.access
    if access.issuer is None:
        return
    header = access.authenticator.certificate_header if access.authenticator is not None else None
    endpoints = oauth.IssuerEndpoints(
        access.issuer, tuple(scopes.every(service.channels)), header, service.refusals
    )
    to.add("POST", "/oauth2/token", endpoints.token, openapi.token())
    published = (
        ("/oauth2/jwks", endpoints.jwks, "jwks", "The keys that verify tokens"),
        (
            "/.well-known/oauth-authorization-server",
            endpoints.metadata,
            "metadata",
            "What the issuer can do (RFC 8414)",
        ),
        (
            "/.well-known/openid-configuration",
            endpoints.metadata,
            "openidMetadata",
            "The same, where OpenID Connect looks for it",
        ),
    )
    for path, endpoint, operation, summary in published:
        to.add("GET", path, endpoint, openapi.published(operation, summary))


def _sending(to: Routes, service: ApiContext) -> None:
    for channel in service.channels.values():
        needs = scopes.sending(channel.name)
        for form in channel.forms:
            endpoint = SendOperation(service, channel, form)
            if form.short is not None:
                to.add(
                    "POST",
                    f"/{form.path}",
                    endpoint.short,
                    openapi.sending(form, short=True),
                    needs,
                )
            to.add(
                "POST",
                f"/{{municipalityId}}/{form.path}",
                endpoint.long,
                openapi.sending(form, short=False),
                needs,
            )


def _asking(to: Routes, service: ApiContext) -> None:
    """What channels can be asked besides sending."""
    for channel in service.channels.values():
        needs = scopes.sending(channel.name)
        for question in channel.questions:
            path = f"/{{municipalityId}}/{question.path}"
            to.add(
                "POST",
                path,
                ChannelQueryOperation(service, question).answer,
                openapi.question(question, path),
                needs,
            )
        if channel.gathering is not None:
            path = f"/{{municipalityId}}/{channel.gathering.path}"
            closing = BatchCloseOperation(service, channel.name, channel.gathering)
            to.add("POST", path, closing.close, openapi.closing(channel.gathering, path), needs)


def _reading(to: Routes, service: ApiContext) -> None:
    reading = StatusOperations(service)
    calls: list[tuple[str, str, Endpoint, str, str]] = [
        (
            "GET",
            "/status/batch/{batchId}",
            reading.batch_status,
            "getBatchStatus",
            "Get the status of a message batch",
        ),
        (
            "GET",
            "/status/messages/{messageId}",
            reading.message_status,
            "getMessageStatus",
            "Get the status of a message",
        ),
        (
            "GET",
            "/status/delivery/{deliveryId}",
            reading.delivery_status,
            "getDeliveryStatus",
            "Get the status of a delivery",
        ),
        (
            "POST",
            "/deliveries/{deliveryId}/resolve",
            reading.resolve,
            "resolveDelivery",
            "Decide on a delivery that is held in doubt",
        ),
    ]
    for method, path, endpoint, operation, summary in calls:
        for prefix in ("", "/{municipalityId}"):
            to.add(
                method, prefix + path, endpoint, openapi.reading(operation, summary, prefix + path)
            )
    watching = progress.ProgressStream(service)
    for prefix in ("", "/{municipalityId}"):
        to.add(
            "GET",
            prefix + progress.PATH,
            watching.events,
            progress.described(prefix + progress.PATH, short=not prefix),
        )
    history = "getConversationHistoryShort", "Get the entire conversation history for a given party"
    path = "/{personId}/conversationHistory"
    to.add("GET", path, Histories(service).short_conversation, openapi.reading(*history, path))
