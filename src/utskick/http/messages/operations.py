"""Operations that send, query channels, and follow messages."""

from __future__ import annotations

from typing import Final

from utskick.auth import scopes
from utskick.domain.audit import Action
from utskick.domain.channel import Channel, SendEndpoint
from utskick.http.context import ApiContext
from utskick.http.messages.channel_queries import BatchCloseOperation, ChannelQueryOperation
from utskick.http.messages.progress import ProgressStream
from utskick.http.messages.receipts import ReceiptOperations
from utskick.http.messages.schemas import DeliveryResult, MessageBatchResult, MessageResult
from utskick.http.messages.send import SendOperation
from utskick.http.messages.status import ResolveRequest, StatusOperations
from utskick.http.operation import (
    PUBLIC,
    Answer,
    Audit,
    Body,
    Operation,
    RateClass,
    Route,
    parameters,
    query,
)
from utskick.http.operation.examples import example_of

_SENDING: Final = "Sending Resources"
_HISTORY: Final = "History Resources"
_OWN: Final = "/{municipalityId}"
_ACCEPTED: Final = ("Location", "Idempotency-Replayed")
_STORED: Final = (
    "The request is validated as a whole; 201 means that it is stored and will be delivered or end "
    "in a final status. Repeat it with an `Idempotency-Key` where the outcome of a call is unknown."
)
_WAITS: Final = (
    " The call waits up to the configured time for the outcome, unless `async=true` is given."
)


def operations(service: ApiContext) -> list[Route]:
    """Return the operations of all channels, then those that follow messages."""
    return [*_sending(service), *_queries(service), *_following(service)]


def _sending(service: ApiContext) -> list[Route]:
    found = []
    for channel in service.channels.values():
        for form in channel.forms:
            endpoint = SendOperation(service, channel, form)
            operation = _send(channel, form)
            if form.short is not None:
                short = operation.short(f"/{form.path}", body=_body(form.short))
                found.append(Route(short, endpoint.short))
            found.append(Route(operation, endpoint.long))
    return found


def _send(channel: Channel, form: SendEndpoint) -> Operation:
    own = tuple(p for f in form.parameters for p in query(f.name, required=f.required))
    result = MessageBatchResult if form.many else MessageResult
    return Operation(
        id=form.operation,
        method="POST",
        path=f"{_OWN}/{form.path}",
        summary=form.summary,
        description=_STORED + (_WAITS if form.waits else ""),
        tag=_SENDING,
        scope=scopes.sending(channel.name),
        body=_body(form.request),
        parameters=(*parameters.SENDING, *own, *(query("async") if form.waits else ())),
        answers={201: Answer(result, "Accepted and stored", headers=_ACCEPTED)},
        problems={
            404: "The recipient is unknown to the provider or the directory",
            409: None,
            422: None,
            501: None,
            502: None,
        },
        deprecated=form.deprecated,
    )


def _body(model: type) -> Body:
    return Body(model, example=example_of(model))


def _queries(service: ApiContext) -> list[Route]:
    found = []
    for channel in service.channels.values():
        scope = scopes.sending(channel.name)
        for channel_query in channel.questions:
            operation = Operation(
                id=channel_query.operation,
                method="POST",
                path=f"{_OWN}/{channel_query.path}",
                summary=channel_query.summary,
                description="Looks up recipients without sending anything. Nothing is stored.",
                tag=_SENDING,
                scope=scope,
                audit=Audit(Action.READ_HISTORY, ("organizationNumber",)),
                body=_body(channel_query.request),
                answers={200: Answer(channel_query.answer)},
                problems={502: "The register cannot be reached"},
            )
            found.append(Route(operation, ChannelQueryOperation(service, channel_query).answer))
        if (policy := channel.gathering) is not None:
            operation = Operation(
                id=policy.operation,
                method="POST",
                path=f"{_OWN}/{policy.path}",
                summary=policy.summary,
                description="The batch is handed over as soon as none of its letters is being "
                "prepared. May be repeated. The status of the letters says what became of it.",
                tag=_SENDING,
                scope=scope,
                audit=Audit(Action.SEND, ("batchId",)),
                answers={200: Answer()},
                problems={404: "The print batch does not exist"},
            )
            closing = BatchCloseOperation(service, channel.name, policy)
            found.append(Route(operation, closing.close))
    return found


def _following(service: ApiContext) -> list[Route]:
    status, stream = StatusOperations(service), ProgressStream(service)
    pairs = (
        (BATCH_STATUS, status.batch_status),
        (MESSAGE_STATUS, status.message_status),
        (DELIVERY_STATUS, status.delivery_status),
        (BATCH_EVENTS, stream.events),
    )
    found = [
        Route(each, endpoint)
        for operation, endpoint in pairs
        for each in (operation.short(operation.path.removeprefix(_OWN)), operation)
    ]
    resolve = (RESOLVE.short(RESOLVE.path.removeprefix(_OWN)), RESOLVE)
    found += [Route(each, status.resolve) for each in resolve]
    receipts = ReceiptOperations(service)
    return [*found, *(Route(each, receipts.take) for each in (RECEIPT, RECEIPT_WITH_SECRET))]


BATCH_STATUS: Final = Operation(
    id="getBatchStatus",
    method="GET",
    path=f"{_OWN}/status/batch/{{batchId}}",
    summary="Get the status of a message batch",
    description="Returns the number of deliveries per life-cycle status, and every message with "
    "its "
    "deliveries in the order of the request. With `messages=false` only the numbers.",
    tag=_HISTORY,
    scope="status:read",
    parameters=query("messages"),
    answers={200: Answer(MessageBatchResult)},
    problems={404: None},
)
MESSAGE_STATUS: Final = Operation(
    id="getMessageStatus",
    method="GET",
    path=f"{_OWN}/status/messages/{{messageId}}",
    summary="Get the status of a message",
    description="Returns the deliveries of a message with their current status.",
    tag=_HISTORY,
    scope="status:read",
    answers={200: Answer(MessageResult)},
    problems={404: None},
)
DELIVERY_STATUS: Final = Operation(
    id="getDeliveryStatus",
    method="GET",
    path=f"{_OWN}/status/delivery/{{deliveryId}}",
    summary="Get the status of a delivery",
    description="Returns the current status of a delivery and all status changes since it was "
    "accepted, with attempts, provider references and reasons.",
    tag=_HISTORY,
    scope="status:read",
    answers={200: Answer(DeliveryResult)},
    problems={404: None},
)
BATCH_EVENTS: Final = Operation(
    id="getBatchEvents",
    method="GET",
    path=f"{_OWN}/status/batch/{{batchId}}/events",
    summary="Follow the progress of a batch",
    description="Server-sent events. `counts` is sent at once and whenever the numbers have "
    "changed; `settled` when every delivery has a final status, after which the stream ends. The "
    'data of both: `{"batchId", "counts": {<lifecycle>: n}, "total": n, "settled": n}`.',
    tag=_HISTORY,
    scope="status:read",
    parameters=query("follow"),
    answers={200: Answer(media=("text/event-stream",))},
    problems={404: None},
)
RESOLVE: Final = Operation(
    id="resolveDelivery",
    method="POST",
    path=f"{_OWN}/deliveries/{{deliveryId}}/resolve",
    summary="Decide on a delivery with an unknown outcome",
    description="A delivery whose provider call ended without an answer is held in the status "
    "`uncertain`. `sent` and `not-sent` settle it by what somebody has found out: after "
    "`not-sent` it is sent anew, by another account or way where this one fails. `resend` makes a "
    "further attempt by the same account, which may deliver a second copy, and leaves the earlier "
    "one in doubt; `give-up` ends it as failed.",
    tag="Resolving Resources",
    scope="deliveries:resolve",
    audit=Audit(Action.RESOLVE, ("deliveryId",)),
    body=Body(ResolveRequest, example=example_of(ResolveRequest)),
    parameters=parameters.CALLER,
    answers={200: Answer(DeliveryResult)},
    problems={404: None, 409: "The delivery is not uncertain"},
)
RECEIPT: Final = Operation(
    id="takeReceipt",
    method="POST",
    path="/receipts/{channel}/{provider}",
    summary="Receive a delivery report of a provider",
    description="Called by providers, in their own formats. The report is authenticated by HTTP "
    "Basic with the secret of the account, or by the signature of the provider.",
    tag="Receipts",
    scope=PUBLIC,
    rate=RateClass.REFUSED,
    answers={200: Answer(description="Stored")},
    problems={
        401: "The secret is missing or wrong",
        404: "The provider account does not exist",
        408: None,
        413: None,
    },
)
RECEIPT_WITH_SECRET: Final = Operation(
    id="takeReceiptWithSecret",
    method="POST",
    path="/receipts/{channel}/{provider}/{secret}",
    summary="Receive a delivery report of a provider, with the secret in the path",
    description="As `takeReceipt`, for providers that cannot send credentials in a header.",
    tag="Receipts",
    scope=PUBLIC,
    rate=RateClass.REFUSED,
    answers=RECEIPT.answers,
    problems=RECEIPT.problems,
)
