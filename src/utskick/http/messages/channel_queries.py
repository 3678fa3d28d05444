"""Endpoints of a channel besides sending: queries, and closing a print batch."""

from __future__ import annotations

from fastapi import Request, Response

from utskick.domain.audit import AuditEntry
from utskick.domain.batch_policy import BatchPolicy
from utskick.domain.channel import ChannelQuery, RequestContext
from utskick.domain.errors import NotFound
from utskick.http.context import ApiContext
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.params import Parameters
from utskick.http.wire.responses import json_response
from utskick.store.database import answering
from utskick.store.messages.print_batches import PrintBatches


class ChannelQueryOperation:
    """Endpoint of one query."""

    def __init__(self, service: ApiContext, question: ChannelQuery) -> None:
        self._service = service
        self._question = question

    async def answer(self, request: Request) -> Response:
        body = parse(self._question.request, await read_json(request, self._question.limit))
        parameters = Parameters(self._question.operation, self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        organization = request.path_params.get("organizationNumber")
        if organization is not None:
            parameters.organization(organization)
        parameters.done()
        async with answering():
            found = await self._question.ask(body, RequestContext(municipality_id, organization))
        return json_response(found)


class BatchCloseOperation:
    """Endpoint of ``POST …/snail-mail/batch/{batchId}``: the batch may be handed over.

    May be repeated (contract 6.3).
    """

    def __init__(self, service: ApiContext, channel: str, gathering: BatchPolicy) -> None:
        self._service = service
        self._channel = channel
        self._gathering = gathering
        self._print_batches = PrintBatches(service.database)

    async def close(self, request: Request, change: AuditEntry) -> Response:
        parameters = Parameters(self._gathering.operation, self._service.municipalities)
        parameters.municipality(request.path_params["municipalityId"])
        batch_id = parameters.uuid("batchId", request.path_params["batchId"])
        parameters.done()
        async with answering():
            if not await self._print_batches.want_closed(self._channel, batch_id, change):
                raise NotFound(f"No batch found for batch id {batch_id}")
        return Response(status_code=200)
