"""Operations of the event feed, of inbound messages and of webhooks."""

from __future__ import annotations

from typing import Any, Final

from utskick.domain.audit import Action
from utskick.http.context import ApiContext
from utskick.http.events.audit_log import AuditLogCalls, AuditLogPage
from utskick.http.events.feed import FeedCalls
from utskick.http.events.feed_schemas import EventPage
from utskick.http.events.inbound import InboundCalls
from utskick.http.events.inbound_schemas import InboundMessage, InboundPage
from utskick.http.events.webhook_schemas import (
    ListedWebhook,
    NewWebhook,
    PingResult,
    Webhook,
    WebhookRequest,
    WebhookSecret,
)
from utskick.http.events.webhooks import WebhookEndpoints
from utskick.http.operation import Answer, Audit, Body, Operation, Route, parameters, query
from utskick.http.operation.examples import EXAMPLES

_BASE: Final = "/{municipalityId}/webhooks"
_ONE: Final = f"{_BASE}/{{id}}"


def webhook_operations(service: ApiContext) -> list[Route]:
    """Return the operations of webhooks."""
    to = WebhookEndpoints(service)
    return [
        Route(CREATE, to.create),
        Route(LIST, to.find),
        Route(GET, to.read),
        Route(DELETE, to.delete),
        Route(ENABLE, to.enable),
        Route(ROTATE, to.rotate),
        Route(PING, to.ping),
    ]


def feed_operations(service: ApiContext) -> list[Route]:
    """Return the operations of the event feed, in both forms of the path, and of the audit log."""
    to = FeedCalls(service)
    return [
        Route(FEED.short("/events"), to.events),
        Route(FEED, to.events),
        Route(AUDIT_LOG, AuditLogCalls(service).entries),
    ]


def inbound_operations(service: ApiContext) -> list[Route]:
    """Return the operations that read inbound messages."""
    to = InboundCalls(service)
    return [Route(INBOUND, to.messages), Route(INBOUND_ONE, to.message)]


INBOUND: Final = Operation(
    id="getInboundMessages",
    method="GET",
    path="/{municipalityId}/inbound-messages",
    summary="Read what people have written to numbers of ours, in a stable order",
    description="Returns inbound messages in the order of their commits, for systems that poll. A "
    "client that continues from `next` receives every message exactly once. A message that a "
    "provider repeats is another message.",
    tag="Events",
    scope="inbound:read",
    audit=Audit(Action.READ_HISTORY, ("after", "limit")),
    parameters=query("inbound.after", "inbound.limit"),
    answers={200: Answer(InboundPage)},
)
INBOUND_ONE: Final = Operation(
    id="getInboundMessage",
    method="GET",
    path="/{municipalityId}/inbound-messages/{id}",
    summary="Read an inbound message",
    description="Returns a message with number and text, such as one that a webhook was told of.",
    tag="Events",
    scope="inbound:read",
    audit=Audit(Action.READ_HISTORY, ("id",)),
    answers={200: Answer(InboundMessage)},
    problems={404: None},
)
FEED: Final = Operation(
    id="getEvents",
    method="GET",
    path="/{municipalityId}/events",
    summary="Read status changes of deliveries, in a stable order",
    description="Returns status changes in the order of their commits, for systems that poll. A "
    "client that continues from `next` receives every event exactly once.",
    tag="Events",
    scope="events:read",
    audit=Audit(Action.READ_FEED, ("after", "limit", "origin")),
    parameters=query("feed.after", "feed.limit", "feed.origin"),
    answers={200: Answer(EventPage)},
)


AUDIT_LOG: Final = Operation(
    id="getAuditLog",
    method="GET",
    path="/{municipalityId}/audit",
    summary="Read the audit log in the order of its chain",
    description="Returns who did what, when and from where. An entry appears when it has been "
    "linked into the chain, after some seconds. Reading is recorded itself.",
    tag="Events",
    scope="audit:read",
    audit=Audit(Action.READ_AUDIT, ("after", "limit")),
    parameters=query("audit.after", "audit.limit"),
    answers={200: Answer(AuditLogPage)},
)


def _webhook(method: str, path: str, **more: Any) -> Operation:
    """Declare an operation on webhooks of one calling system."""
    declared: dict[str, Any] = {
        "answers": {200: Answer(Webhook)},
        "problems": {404: None},
        "parameters": parameters.OWNER,
        **more,
    }
    return Operation(method=method, path=path, tag="Webhooks", scope="webhooks:write", **declared)


_CHANGE: Final = Audit(Action.CONFIGURE, ("id",))
_READ: Final = Audit(Action.READ_CONFIGURATION, ("id",))
CREATE: Final = _webhook(
    "POST",
    _BASE,
    id="createWebhook",
    summary="Create a webhook",
    description="Events of the calling system that are committed from the response on are sent to "
    "the URL, signed with the secret that only this response holds. With `events` = `inbound`, all "
    "inbound messages of the municipality instead, without number and text; the token then needs "
    "the scope `inbound:read`, too.",
    audit=Audit(Action.CONFIGURE),
    body=Body(WebhookRequest, example=EXAMPLES["WebhookRequest"]),
    answers={201: Answer(NewWebhook, "Created", headers=("Location",))},
    problems={409: "The calling system has the maximum number of webhooks"},
)
LIST: Final = _webhook(
    "GET",
    _BASE,
    id="getWebhooks",
    summary="List webhooks",
    description="Returns the webhooks of the calling system, oldest first.",
    audit=Audit(Action.READ_CONFIGURATION),
    answers={200: Answer(list[ListedWebhook])},
    problems={},
)
GET: Final = _webhook(
    "GET",
    _ONE,
    id="getWebhook",
    summary="Read a webhook",
    description="Returns a webhook with its state and the number of events or "
    "inbound messages that wait to be sent.",
    audit=_READ,
)
DELETE: Final = _webhook(
    "DELETE",
    _ONE,
    id="deleteWebhook",
    summary="Remove a webhook",
    description="Deletes a webhook with the events that wait to be sent.",
    audit=_CHANGE,
    answers={204: Answer(description="Deleted")},
)
ENABLE: Final = _webhook(
    "POST",
    f"{_ONE}/enable",
    id="enableWebhook",
    summary="Enable a webhook that was disabled",
    description="Sending resumes at once with the first event that was not accepted.",
    audit=_CHANGE,
)
ROTATE: Final = _webhook(
    "POST",
    f"{_ONE}/rotate",
    id="rotateWebhookSecret",
    summary="Replace the secret of a webhook",
    description="Calls are signed with the new secret, and for 24 hours with the previous one too.",
    audit=_CHANGE,
    answers={200: Answer(WebhookSecret)},
)
PING: Final = _webhook(
    "POST",
    f"{_ONE}/ping",
    id="pingWebhook",
    summary="Call the receiver now and return the result",
    description="Sends a signed test call, also to a webhook that is disabled. The content of the "
    "receiver's response is not returned.",
    audit=_CHANGE,
    answers={200: Answer(PingResult)},
)
