"""POST: a message or a batch is accepted. One endpoint for every form of every channel."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import orjson
from fastapi import Request, Response
from starlette.responses import StreamingResponse

from utskick.domain.channel import Asked, Channel, Form
from utskick.domain.errors import DeliveryFailed, Invalid, NotBuilt, StillRunning, UtskickError, Violation
from utskick.domain.ids import made_at
from utskick.domain.message import Key, Numbered, Replay
from utskick.domain.status import SETTLED, Shown, shown
from utskick.engine.intake import Earlier, Wish
from utskick.http.answers import accepted_batch, accepted_message, message_of
from utskick.http.edge import Parameters, caller_of, flag, parse, read_body
from utskick.http.problems import of_error
from utskick.http.service import Service
from utskick.store.database import answering
from utskick.store.history import State

_JSON = "application/json"


class Sending:
    """The endpoint of one form."""

    def __init__(self, service: Service, channel: Channel, form: Form) -> None:
        self._service = service
        self._channel = channel
        self._form = form

    async def long(self, request: Request) -> Response:
        """With the municipality in the path."""
        return await self._send(request, request.path_params["municipalityId"], short=False)

    async def short(self, request: Request) -> Response:
        """For the default municipality (contract 0.1)."""
        return await self._send(request, self._service.default_municipality, short=True)

    async def _send(self, request: Request, municipality_id: str, *, short: bool) -> Response:
        form = self._form
        awaited = form.waits and not flag(request, "async")
        raw = await read_body(request, form.limit)
        model = form.short if short and form.short else form.request
        # a large batch is parsed beside the event loop, so that others are answered meanwhile
        body = await asyncio.to_thread(parse, model, raw) if form.many else parse(model, raw)
        parameters = Parameters(form.operation, self._service.municipalities)
        parameters.municipality(municipality_id)
        parameters.done()
        if not self._channel.accounts:
            raise NotBuilt(
                f"no provider account is configured for {self._channel.message_type}; see the settings of [{self._channel.name}]"
            )
        asked = Asked(municipality_id)
        plan = await asyncio.to_thread(self._channel.plan, body, asked) if form.many else self._channel.plan(body, asked)
        key = _key(request, raw)
        wish = Wish(self._channel, plan, caller_of(request, municipality_id), awaited, key, None if awaited else self._replay)
        numbered = self._service.intake.number(wish)
        deliveries = [delivery_id for _, delivery_id in numbered.ids] if awaited else []
        self._service.settlements.expect(deliveries)
        try:
            async with answering():
                earlier = await self._service.intake.accept(wish, numbered)
                if isinstance(earlier, Replay):
                    return Response(earlier.body, earlier.status, {**earlier.headers, "Idempotency-Replayed": "true"})
                if isinstance(earlier, Earlier):
                    return await self._of_earlier(wish, earlier.batch_id)
                if not awaited:
                    return self._accepted(numbered)
                await self._service.settlements.wait(deliveries, self._service.sync_wait)
                return await self._settled(wish, numbered.ids[0][0])
        finally:
            self._service.settlements.forget(deliveries)

    # -- answers ----------------------------------------------------------------------------------------------------

    def _headers(self, municipality_id: str, what: str, found: UUID) -> dict[str, str]:
        return {"Location": f"/{municipality_id}/status/{what}/{found}"}

    def _accepted(self, numbered: Numbered) -> Response:
        municipality_id = numbered.caller.municipality_id
        if not self._form.many:
            headers = self._headers(municipality_id, "messages", numbered.ids[0][0])
            return Response(orjson.dumps(accepted_message(numbered)), 201, headers, _JSON)

        headers = self._headers(municipality_id, "batch", numbered.batch_id)
        return StreamingResponse(_pieces(numbered), 201, headers, _JSON)

    def _replay(self, numbered: Numbered) -> Replay:
        """The asynchronous answer whole, to be kept with an Idempotency-Key."""
        municipality_id = numbered.caller.municipality_id
        if self._form.many:
            body, headers = b"".join(accepted_batch(numbered)), self._headers(municipality_id, "batch", numbered.batch_id)
        else:
            body, headers = orjson.dumps(accepted_message(numbered)), self._headers(municipality_id, "messages", numbered.ids[0][0])
        return Replay(201, body, {**headers, "Content-Type": _JSON})

    async def _settled(self, wish: Wish, message_id: UUID) -> Response:
        """The synchronous answer, from what is on disk; kept with the key."""
        municipality_id = wish.caller.municipality_id
        states = await self._service.history.message(municipality_id, message_id)
        error = self._failure(states)
        if error is not None:
            answer = of_error(error)
        else:
            members = {**message_of(states), **wish.plan.remarks}
            answer = Response(orjson.dumps(members), 201, self._headers(municipality_id, "messages", message_id), _JSON)
        if wish.key is not None:
            kept = {k: v for k, v in answer.headers.items() if k in ("location", "content-type")}
            async with self._service.database.pool.acquire() as connection:
                await self._service.intake.keys.answer(
                    connection, municipality_id, wish.key, Replay(answer.status_code, bytes(answer.body), kept)
                )
        return answer

    async def _of_earlier(self, wish: Wish, batch_id: UUID) -> Response:
        """Accepted before, never answered: either its call still waits, or its process died while it did."""
        municipality_id = wish.caller.municipality_id
        states = [state async for group in self._service.history.batch(municipality_id, batch_id) for state in group]
        unsettled = any(state.status not in SETTLED for state in states)
        if unsettled and self._service.clock() < made_at(batch_id) + timedelta(seconds=self._service.sync_wait + 1):
            raise StillRunning("the first request with this Idempotency-Key has not been answered yet", headers={"Retry-After": "2"})
        answer = await self._settled(wish, states[0].message_id)
        answer.headers["Idempotency-Replayed"] = "true"
        return answer

    def _failure(self, states: list[State]) -> UtskickError | None:
        """One delivery and it ended in failure: the peer's problem, with the ids (contract 0.3)."""
        if len(states) != 1 or shown(states[0].status, states[0].reason.code if states[0].reason else None) is not Shown.FAILED:
            return None
        state = states[0]
        reason = state.reason
        return DeliveryFailed(
            f"{self._channel.integration} error: {{detail={reason.sentence if reason else 'unknown'}, status=502 Bad Gateway, "
            f"title={reason.code if reason else 'unknown'}}}",
            batchId=str(state.batch_id),
            messageId=str(state.message_id),
            deliveryId=str(state.id),
        )


async def _pieces(numbered: Numbered) -> AsyncIterator[bytes]:
    for piece in accepted_batch(numbered):
        yield piece
        await asyncio.sleep(0)


def _key(request: Request, raw: bytes) -> Key | None:
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    if not 1 <= len(text) <= 255:
        raise Invalid([Violation("Idempotency-Key", "size must be between 1 and 255")])
    digest = hashlib.sha256(request.url.path.encode() + b"\0" + str(request.query_params).encode() + b"\0" + raw).digest()
    return Key(text, digest)
