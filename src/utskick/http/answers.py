"""Bodies of answers: the contract's members, ours beside them, no nulls."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from fastapi import Response
from starlette.responses import StreamingResponse

from utskick.domain.clock import SWEDEN, swedish
from utskick.domain.message import Numbered
from utskick.domain.outcome import Reason
from utskick.domain.status import Shown, shown
from utskick.store.database import answering
from utskick.store.history import Happening, State


def json_answer(members: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(members), status, headers, "application/json")


async def streamed(elements: AsyncIterator[dict[str, Any]], opening: bytes = b"[", closing: bytes = b"]") -> Response:
    """A JSON array, written as it is read: it may be long, and hold many files.

    The first element is read before the status is sent: a database that is away is a 503.
    """
    async with answering():
        first = await anext(elements, None)

    async def written() -> AsyncIterator[bytes]:
        yield opening
        if first is not None:
            yield orjson.dumps(first)
        async for element in elements:
            yield b"," + orjson.dumps(element)
        yield closing

    return StreamingResponse(written(), media_type="application/json")


def time_of(moment: datetime | None) -> str | None:
    """Swedish time with its offset, as our own calls tell it; the contract's have none (``clock.swedish``)."""
    return moment.astimezone(SWEDEN).isoformat() if moment else None


def paging_of(page: int, limit: int, total: int, number: int) -> dict[str, int]:
    """PagingMetaData (contract section 9). ``number``: elements on this page."""
    return {"page": page, "limit": limit, "count": number, "totalRecords": total, "totalPages": math.ceil(total / limit)}


def without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def reason_of(reason: Reason | None) -> dict[str, Any] | None:
    if reason is None:
        return None
    return without_nulls({"code": reason.code, "message": reason.sentence, "providerCode": reason.provider_code})


def delivery_of(state: State) -> dict[str, Any]:
    """DeliveryResult, with our own word (``lifecycle``), the reason and the number of attempts."""
    return without_nulls(
        {
            "deliveryId": str(state.id),
            "messageType": state.shown_type,
            "status": shown(state.status, state.reason.code if state.reason else None).value,
            "lifecycle": state.status.value,
            "attempts": state.attempts,
            "reason": reason_of(state.reason),
        }
    )


def overall(states: Sequence[State]) -> Shown:
    """The word for a routed delivery, from those that it was routed to: on its way, else the best that became of one."""
    words = [shown(state.status, state.reason.code if state.reason else None) for state in states]
    order = (Shown.PENDING, Shown.SENT, Shown.AWAITING_FEEDBACK, Shown.NOT_SENT, Shown.FAILED)
    return next((word for word in order if word in words), Shown.PENDING)


def event_of(event: Happening) -> dict[str, Any]:
    return without_nulls(
        {
            "timestamp": swedish(event.at),
            "status": event.status,
            "attempt": event.attempt,
            "provider": event.account,
            "providerReference": event.reference,
            "reason": reason_of(event.reason),
            "actor": event.actor,
        }
    )


def message_of(states: Sequence[State]) -> dict[str, Any]:
    """MessageResult of a stored message."""
    return without_nulls(
        {
            "messageId": str(states[0].message_id),
            "batchId": str(states[0].batch_id),
            "reference": states[0].reference,
            "deliveries": [delivery_of(state) for state in states],
        }
    )


def accepted_message(numbered: Numbered) -> dict[str, Any]:
    """MessageResult of a request that was accepted and is not waited for: without ``status``, as the peer."""
    message_id, delivery_id = numbered.ids[0]
    return without_nulls(
        {
            "messageId": str(message_id),
            "batchId": str(numbered.batch_id),
            "reference": numbered.plan.recipients[0].reference or numbered.plan.reference,
            "deliveries": [{"deliveryId": str(delivery_id), "messageType": numbered.shown_type(0)}],
            **numbered.plan.remarks,
        }
    )


def accepted_batch(numbered: Numbered) -> Iterator[bytes]:
    """MessageBatchResult, in the order of the request, in pieces: 100 000 messages are 18 MB."""
    plan = numbered.plan
    head = without_nulls({"batchId": str(numbered.batch_id), "reference": plan.reference, **plan.remarks})
    if len(plan.entries) > len(plan.recipients):
        head["duplicates"] = len(plan.entries) - len(plan.recipients)
    yield orjson.dumps(head)[:-1] + b',"messages":['
    piece = []
    for position, index in enumerate(plan.entries):
        message_id, delivery_id = numbered.ids[index]
        reference = plan.recipients[index].reference
        named = f'"reference":{orjson.dumps(reference).decode()},' if reference is not None else ""
        comma, kind = "," if position else "", numbered.shown_type(index)
        piece.append(f'{comma}{{"messageId":"{message_id}",{named}"deliveries":[{{"deliveryId":"{delivery_id}","messageType":"{kind}"}}]}}')
        if len(piece) == 2000:
            yield "".join(piece).encode()
            piece.clear()
    yield "".join(piece).encode() + b"]}"
