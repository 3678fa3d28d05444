"""Endpoints that send: accept a message or a batch.

One endpoint for every form of every channel.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import orjson
from fastapi import Request, Response
from starlette.responses import StreamingResponse

from utskick.domain.channel import Channel, RequestContext, SendEndpoint
from utskick.domain.errors import Invalid, NotBuilt, Unavailable, Violation
from utskick.domain.message import Key, NumberedRequest, Replay
from utskick.engine.intake import AcceptRequest, DuplicateRequest
from utskick.http.context import ApiContext
from utskick.http.messages.results import accepted_batch, accepted_message
from utskick.http.messages.sync_response import SyncResponse, location, rest_of
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.caller import caller_of
from utskick.http.wire.params import Parameters, flag
from utskick.store.database import answering

_JSON = "application/json"
#: Bytes of a body beyond which parsing would block the event loop for too long.
_LARGE = 262_144
#: Recipients that the database takes in a second, at the least.
_ROWS = 1000


class SendOperation:
    """Endpoint of one form."""

    def __init__(self, service: ApiContext, channel: Channel, form: SendEndpoint) -> None:
        self._service = service
        self._channel = channel
        self._form = form
        self._settled = SyncResponse(service, channel, form)

    async def long(self, request: Request) -> Response:
        """Serve the form with the municipality in the path."""
        return await self._send(request, request.path_params["municipalityId"], short=False)

    async def short(self, request: Request) -> Response:
        """Serve the form for the default municipality (contract 0.1)."""
        return await self._send(request, self._service.default_municipality, short=True)

    async def _send(self, request: Request, municipality_id: str, *, short: bool) -> Response:
        form, channel = self._form, self._channel
        awaited = form.waits and not flag(request, "async")
        raw = await read_json(request, form.limit)
        model = form.short if short and form.short else form.request
        # a large body is parsed in a thread, so that the event loop serves others meanwhile
        large = form.many or len(raw) > _LARGE
        body = await asyncio.to_thread(parse, model, raw) if large else parse(model, raw)
        context = self._context(request, municipality_id)
        if not any(
            self._service.channels[name].accounts
            for name in (channel.name, *channel.legs)
            if name in self._service.channels
        ):
            raise NotBuilt(
                f"no provider account is configured for {channel.message_type}; see the "
                f"settings of [{channel.name}]"
            )
        plan = (
            await asyncio.to_thread(channel.plan, body, context)
            if large
            else channel.plan(body, context)
        )
        if context.organization_number is not None:
            plan = replace(plan, organization_number=context.organization_number)
        if plan.department is not None:
            context = replace(context, department=plan.department)
        plan = await self._service.intake.inspect(channel, plan, context)
        key = _key(request, raw)
        wish = AcceptRequest(
            channel,
            plan,
            caller_of(request, municipality_id),
            awaited,
            key,
            None if awaited else self._replay,
            timedelta(seconds=self._service.sync_wait)
            if awaited and plan.unsettled == "cancel"
            else None,
        )
        return await self._accept(wish, self._service.intake.number(wish))

    def _context(self, request: Request, municipality_id: str) -> RequestContext:
        parameters = Parameters(self._form.operation, self._service.municipalities)
        parameters.municipality(municipality_id)
        organization = request.path_params.get("organizationNumber")
        if organization is not None:
            parameters.organization(organization)
        query = {
            p.name: value
            for p in self._form.parameters
            if (value := parameters.query(request, p)) is not None
        }
        parameters.done()
        return RequestContext(municipality_id, organization, query)

    async def _accept(self, wish: AcceptRequest, numbered: NumberedRequest) -> Response:
        waited_for = [message_id for message_id, _ in numbered.ids] if wish.awaited else []
        channel, settlements = self._channel, self._service.settlements
        if numbered.final and settlements.full:
            raise Unavailable(
                "too many synchronous calls wait for their outcome; nothing was accepted",
                headers={"Retry-After": "5"},
            )
        settlements.expect(numbered.batch_id, waited_for, rest_of(channel), single=not channel.legs)
        try:
            async with answering(more=len(numbered.ids) / _ROWS):
                earlier = await self._service.intake.accept(wish, numbered)
                if isinstance(earlier, Replay):
                    return Response(
                        earlier.body,
                        earlier.status,
                        {**earlier.headers, "Idempotency-Replayed": "true"},
                    )
                if isinstance(earlier, DuplicateRequest):
                    return await self._settled.of_earlier(wish, earlier.mark)
            if not wish.awaited:
                return self._accepted(numbered)
            settled = await settlements.wait(waited_for, self._service.sync_wait)
            async with answering(more=len(numbered.ids) / _ROWS):
                if numbered.final and not settled:
                    await self._service.withdrawals.withdraw(
                        wish.caller.municipality_id,
                        numbered.batch_id,
                        waited_for,
                        self._service.clock(),
                    )
                return await self._settled.of(wish, numbered)
        finally:
            settlements.forget(waited_for)

    # -- responses ----------------------------------------

    def _accepted(self, numbered: NumberedRequest) -> Response:
        municipality_id = numbered.caller.municipality_id
        if not self._form.many:
            headers = location(municipality_id, "messages", numbered.ids[0][0])
            return Response(orjson.dumps(accepted_message(numbered)), 201, headers, _JSON)

        headers = location(municipality_id, "batch", numbered.batch_id)
        return StreamingResponse(_pieces(numbered), 201, headers, _JSON)

    def _replay(self, numbered: NumberedRequest) -> Replay:
        """Return the asynchronous response as a whole, to be stored with the Idempotency-Key."""
        municipality_id = numbered.caller.municipality_id
        if self._form.many:
            body, headers = (
                b"".join(accepted_batch(numbered)),
                location(municipality_id, "batch", numbered.batch_id),
            )
        else:
            body, headers = (
                orjson.dumps(accepted_message(numbered)),
                location(municipality_id, "messages", numbered.ids[0][0]),
            )
        return Replay(201, body, {**headers, "Content-Type": _JSON})


async def _pieces(numbered: NumberedRequest) -> AsyncIterator[bytes]:
    for piece in accepted_batch(numbered):
        yield piece
        await asyncio.sleep(0)


def _key(request: Request, raw: bytes) -> Key | None:
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    if not 1 <= len(text) <= 255:
        raise Invalid([Violation("Idempotency-Key", "size must be between 1 and 255")])
    digest = hashlib.sha256(
        request.url.path.encode() + b"\0" + str(request.query_params).encode() + b"\0" + raw
    ).digest()
    return Key(text, digest, getattr(request.state, "client", None) or "")
