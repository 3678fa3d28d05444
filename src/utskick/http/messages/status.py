"""Endpoints of status of batch, message and delivery, and of decisions on uncertain deliveries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final
from uuid import UUID

import orjson
from fastapi import Request, Response
from pydantic import ConfigDict, Field
from starlette.responses import StreamingResponse

from utskick.domain.account_label import label_of
from utskick.domain.audit import AuditEntry
from utskick.domain.clock import swedish
from utskick.domain.delivery import LIFETIME
from utskick.domain.errors import NotAllowedHere, NotFound
from utskick.domain.status import Status
from utskick.domain.validators import Body
from utskick.http.context import ApiContext
from utskick.http.messages.results import delivery_of, event_of, message_of, overall, waits_for
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.caller import responsible
from utskick.http.wire.params import Parameters, flag
from utskick.http.wire.responses import json_response, without_nulls
from utskick.store.database import answering
from utskick.store.history.hand_overs import FailingHandOver
from utskick.store.history.status import DeliveryEvent, DeliveryState
from utskick.store.messages.resolutions import Choice, Decision

#: Deliveries of a batch for which it is looked up until when they wait.
_MOST_WAITING: Final = 10_000


class ResolveRequest(Body):
    """A decision on an uncertain delivery.

    ``sent``, ``not-sent``: somebody has found out, at the provider or the recipient. ``resend``:
    make a further attempt, which may deliver a second copy. ``give-up``: end it as failed.
    """

    model_config = ConfigDict(json_schema_extra={"required": ["decision"]})

    decision: Choice = Field(
        description="`sent`: it is known to have been sent. `not-sent`: it is known not to have "
        "been sent; it is sent again, by another account or way where this one fails. `resend`: "
        "nothing is known; the same account makes a further attempt, which may deliver a second "
        "copy. `give-up`: nothing is known; end it as failed",
        examples=["resend"],
    )


class StatusOperations:
    """Endpoints for both forms of the path."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._label = partial(label_of, service.channels)

    def _events(self, story: list[DeliveryEvent]) -> list[dict[str, object]]:
        return [event_of(event, self._label) for event in story]

    def _municipality(self, request: Request) -> str:
        return str(request.path_params.get("municipalityId", self._service.default_municipality))

    def _found(self, request: Request, operation: str, name: str) -> tuple[str, UUID]:
        parameters = Parameters(operation, self._service.municipalities)
        municipality_id = parameters.municipality(self._municipality(request))
        found = parameters.uuid(name, request.path_params[name])
        parameters.done()
        return municipality_id, found

    async def batch_status(self, request: Request) -> Response:
        whole = flag(request, "messages", default=True)
        municipality_id, batch_id = self._found(request, "getBatchStatus", "batchId")
        async with answering():
            counts = await self._service.history.counts(municipality_id, batch_id)
            if not counts:
                raise NotFound(f"No batch found for batch id {batch_id}")
            remarks = await self._service.history.remarks(municipality_id, batch_id)
            waiting = {} if whole else await self._waiting(municipality_id, batch_id, counts)
        head = orjson.dumps(
            {
                "batchId": str(batch_id),
                "counts": {s.value: n for s, n in counts.items()},
                **waiting,
                **remarks,
            }
        )
        if not whole:
            return Response(head, media_type="application/json")
        return StreamingResponse(
            self._messages(municipality_id, batch_id, head), media_type="application/json"
        )

    async def _waiting(
        self, municipality_id: str, batch_id: UUID, counts: Mapping[Status, int]
    ) -> dict[str, object]:
        """Return what is tried later, where that is not too much to be looked up for each call."""
        unsent = counts.get(Status.QUEUED, 0) + counts.get(Status.DEFERRED, 0)
        if not 0 < unsent <= _MOST_WAITING:
            return {}
        number, first = await self._service.history.waiting(municipality_id, batch_id)
        return {"waiting": number, "waitsUntil": swedish(first)} if first is not None else {}

    async def _messages(
        self, municipality_id: str, batch_id: UUID, head: bytes
    ) -> AsyncIterator[bytes]:
        yield head[:-1] + b',"messages":['
        comma, gathered = b"", list[DeliveryState]()
        failing: dict[UUID, FailingHandOver] = {}
        async for group in self._service.history.batch(municipality_id, batch_id):
            failing |= await self._failing(municipality_id, group)
            piece = []
            for state in group:
                if gathered and state.message_id != gathered[0].message_id:
                    piece.append(_written(gathered, failing))
                    gathered = []
                gathered.append(state)
            if piece:
                yield comma + b",".join(piece)
                comma = b","
        yield comma + _written(gathered, failing) + b"]}"

    async def _failing(
        self, municipality_id: str, states: Sequence[DeliveryState]
    ) -> dict[UUID, FailingHandOver]:
        """Return what fails of the hand-overs of these letters, by print batch."""
        batches = {state.print_batch for state in states if state.status is Status.GATHERED}
        failing = await self._service.hand_overs.failing(
            municipality_id, [batch for batch in batches if batch is not None]
        )
        return {
            batch: replace(each, account=each.account and self._label(each.account))
            for batch, each in failing.items()
        }

    async def message_status(self, request: Request) -> Response:
        municipality_id, message_id = self._found(request, "getMessageStatus", "messageId")
        async with answering():
            states = await self._service.history.message(municipality_id, message_id)
            if not states:
                raise NotFound(f"No message found for message id {message_id}")
            failing = await self._failing(municipality_id, states)
            remarks = await self._service.history.remarks(municipality_id, states[0].batch_id)
        return json_response({**message_of(states, failing), **remarks})

    async def delivery_status(self, request: Request) -> Response:
        municipality_id, delivery_id = self._found(request, "getDeliveryStatus", "deliveryId")
        async with answering():
            return await self._delivery(municipality_id, delivery_id)

    async def _delivery(self, municipality_id: str, delivery_id: UUID) -> Response:
        state = await self._service.history.delivery(municipality_id, delivery_id)
        if state is None:
            raise NotFound(f"No delivery found for delivery id {delivery_id}")
        story = await self._service.history.story(municipality_id, delivery_id)
        if state.status is Status.ROUTED:
            answers = await self._service.history.message(municipality_id, state.message_id)
            failing = await self._failing(municipality_id, answers)
            routed = {
                "status": overall(answers).value,
                "routedTo": [delivery_of(answer, failing) for answer in answers],
            }
            return json_response(
                without_nulls(
                    {**delivery_of(state), **routed, **_ids(state), "events": self._events(story)}
                )
            )
        waits: dict[str, object] = {}
        if state.status in (Status.QUEUED, Status.DEFERRED):
            circuit = await self._service.circuits.waits(municipality_id, delivery_id)
            waits = {"waitsFor": waits_for(circuit, self._label)} if circuit is not None else {}
        found = delivery_of(state, await self._failing(municipality_id, [state]))
        events = {"events": self._events(story)}
        return json_response(without_nulls({**found, **_ids(state), **waits, **events}))

    async def resolve(self, request: Request, change: AuditEntry) -> Response:
        """Carry out a decision on an uncertain delivery."""
        raw = await read_json(request, 10_000)
        body = parse(ResolveRequest, raw)
        municipality_id, delivery_id = self._found(request, "resolveDelivery", "deliveryId")
        decision = Decision(
            municipality_id,
            delivery_id,
            body.decision,
            responsible(change.caller),
            change.at,
            change.at + LIFETIME,
        )
        async with answering():
            state = await self._service.history.delivery(municipality_id, delivery_id)
            if state is None:
                raise NotFound(f"No delivery found for delivery id {delivery_id}")
            if not await self._service.resolutions.decide(decision, change):
                raise NotAllowedHere(
                    f"only an uncertain delivery can be resolved; this one is {state.status.value}"
                )
            return await self._delivery(municipality_id, delivery_id)


def _ids(state: DeliveryState) -> dict[str, object]:
    return {
        "messageId": str(state.message_id),
        "batchId": str(state.batch_id),
        "reference": state.reference,
    }


def _written(states: list[DeliveryState], failing: Mapping[UUID, FailingHandOver]) -> bytes:
    return orjson.dumps(without_nulls({**message_of(states, failing), "batchId": None}))
