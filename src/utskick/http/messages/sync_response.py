"""Response to a synchronous call: the outcome of a message as it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from fastapi import Response

from utskick.domain.channel import Channel, SendEndpoint
from utskick.domain.clock import utc_now
from utskick.domain.errors import DeliveryFailed, RecipientMissing, StillRunning, UtskickError
from utskick.domain.ids import made_at
from utskick.domain.message import NumberedRequest, Replay
from utskick.domain.status import RESTED, ContractStatus, Status, contract_status
from utskick.engine.intake import AcceptRequest
from utskick.http.context import ApiContext
from utskick.http.messages.results import message_of, remarks_of
from utskick.http.wire.problems import of_error
from utskick.http.wire.responses import without_nulls
from utskick.store.history.status import DeliveryState

_JSON = "application/json"


def rest_of(channel: Channel) -> frozenset[Status]:
    """Return the statuses at which a caller stops waiting.

    A letter in a print batch waits for a call of its own.
    """
    return RESTED | {Status.GATHERED} if channel.gathering is not None else RESTED


def location(municipality_id: str, what: str, found: UUID) -> dict[str, str]:
    return {"Location": f"/{municipality_id}/status/{what}/{found}"}


class SyncResponse:
    """Response of one form."""

    def __init__(self, service: ApiContext, channel: Channel, form: SendEndpoint) -> None:
        self._service = service
        self._channel = channel
        self._form = form

    async def of(self, wish: AcceptRequest, numbered: NumberedRequest) -> Response:
        """Return the response in the order of the request, and store it with the key."""
        ids = [numbered.ids[index][0] for index in numbered.plan.entries]
        return await self._answer(wish, numbered.batch_id, ids)

    async def of_earlier(self, wish: AcceptRequest, mark: UUID) -> Response:
        """Return the response to a repeated request that was accepted and never answered.

        Its call still waits, or its process ended.
        """
        batch_id = wish.plan.batch_id or mark
        wanted = None if wish.plan.batch_id is None else [mark]
        found = await self._states(wish, batch_id, wanted)
        if self._unsettled(found):
            wait = timedelta(seconds=self._service.sync_wait + 1)
            # The mark was made by the machine's clock, not by the database's.
            if utc_now() < made_at(mark) + wait:
                raise StillRunning(
                    "the first request with this Idempotency-Key has not been answered yet",
                    headers={"Retry-After": "2"},
                )
            now = self._service.clock()
            if wish.final(now):
                await self._service.withdrawals.withdraw(
                    wish.caller.municipality_id, batch_id, list(found), now
                )
        answer = await self._answer(wish, batch_id, list(found))
        answer.headers["Idempotency-Replayed"] = "true"
        return answer

    def _unsettled(self, found: Mapping[UUID, list[DeliveryState]]) -> bool:
        rest = rest_of(self._channel)
        return any(state.status not in rest for states in found.values() for state in states)

    async def _answer(self, wish: AcceptRequest, batch_id: UUID, ids: Sequence[UUID]) -> Response:
        municipality_id = wish.caller.municipality_id
        found = await self._states(wish, batch_id, ids)
        states = [state for states in found.values() for state in states]
        error = self._failure(states, final=wish.limit is not None)
        if error is not None:
            answer = of_error(error)
        elif self._form.many:
            head = without_nulls(
                {
                    "batchId": str(batch_id),
                    "reference": wish.plan.reference,
                    **remarks_of(wish.plan),
                }
            )
            messages = [{**message_of(found[message_id]), "batchId": None} for message_id in ids]
            members = {**head, "messages": [without_nulls(message) for message in messages]}
            answer = Response(
                orjson.dumps(members), 201, location(municipality_id, "batch", batch_id), _JSON
            )
        else:
            members = {**message_of(found[ids[0]]), **remarks_of(wish.plan)}
            answer = Response(
                orjson.dumps(members), 201, location(municipality_id, "messages", ids[0]), _JSON
            )
        if wish.key is not None:
            kept = {k: v for k, v in answer.headers.items() if k in ("location", "content-type")}
            async with self._service.database.pool.acquire() as connection:
                await self._service.intake.keys.answer(
                    connection,
                    municipality_id,
                    wish.key,
                    Replay(answer.status_code, bytes(answer.body), kept),
                )
        return answer

    async def _states(
        self, wish: AcceptRequest, batch_id: UUID, ids: Iterable[UUID] | None
    ) -> dict[UUID, list[DeliveryState]]:
        """Return deliveries by message, in the order of the batch.

        ``ids`` None: of all messages.
        """
        municipality_id, history = wish.caller.municipality_id, self._service.history
        wanted = None if ids is None else set(ids)
        if wanted is not None and len(wanted) == 1:
            [message_id] = wanted
            return {message_id: await history.message(municipality_id, message_id)}
        found: dict[UUID, list[DeliveryState]] = {}
        async for group in history.batch(municipality_id, batch_id):
            for state in group:
                if wanted is None or state.message_id in wanted:
                    found.setdefault(state.message_id, []).append(state)
        return found

    def _failure(self, states: list[DeliveryState], *, final: bool) -> UtskickError | None:
        """Return the problem where the only delivery failed, else None.

        In the form of the contract with the ids (contract 0.3). ``final``: one that was given up
        because the call does not wait any longer has failed, too.
        """
        if self._form.lenient or len(states) != 1:
            return None
        [state] = states
        reason = state.reason
        given_up = final and state.status in (Status.CANCELLED, Status.EXPIRED)
        word = contract_status(state.status, reason.code if reason else None)
        if word is not ContractStatus.FAILED and not given_up:
            return None
        missing = reason is not None and reason.code in self._channel.not_found
        if (own := self._channel.failure_title) is not None:
            error = DeliveryFailed(
                f"{own}: {(reason.provider_code or reason.code) if reason else 'unknown'}",
                **_ids(state),
            )
            error.title = own
            return error
        kind, status, title = (
            (RecipientMissing, 404, "Not Found")
            if missing
            else (DeliveryFailed, 502, "Bad Gateway")
        )
        return kind(
            f"{self._channel.integration} error: "
            f"{{detail={reason.sentence if reason else 'unknown'}, status={status} {title}, "
            f"title={reason.code if reason else 'unknown'}}}",
            **_ids(state),
        )


def _ids(state: DeliveryState) -> dict[str, Any]:
    return {
        "batchId": str(state.batch_id),
        "messageId": str(state.message_id),
        "deliveryId": str(state.id),
    }
