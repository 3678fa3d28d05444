"""Endpoints of /push/subscriptions: devices of a party.

Addresses and keys are accepted and never returned.
"""

from __future__ import annotations

from fastapi import Request, Response

from utskick.domain.audit import AuditEntry
from utskick.domain.errors import NotFound
from utskick.domain.ids import parse_id
from utskick.http.audit.subject import naming
from utskick.http.context import ApiContext
from utskick.http.directory.requests import SubscriptionRequest
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.params import Parameters, located, required
from utskick.http.wire.responses import json_response, time_of
from utskick.store.database import answering

_LIMIT = 65_536


class SubscriptionCalls:
    """Endpoints below ``/{municipalityId}/push/subscriptions``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._subscriptions = service.directory.subscriptions

    async def create(self, request: Request, change: AuditEntry) -> Response:
        """Register a device; a known one keeps its id."""
        body = parse(SubscriptionRequest, await read_json(request, _LIMIT))
        municipality_id, _ = located(request, self._service.municipalities, "createSubscription")
        party_id = parse_id(body.party.party_id)
        assert party_id is not None
        async with answering():
            change = await naming(change, self._service.database, party_id)
            found = await self._subscriptions.add(party_id, body.device(), change)
        headers = {"Location": f"/{municipality_id}/push/subscriptions/{found}"}
        return json_response({"id": str(found)}, 201, headers)

    async def find(self, request: Request) -> Response:
        given = required(request, "partyId")
        parameters = Parameters("getSubscriptions", self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        party_id = parameters.uuid("partyId", given)
        parameters.done()
        async with answering():
            found = await self._subscriptions.listed(municipality_id, party_id)
        listed = [
            {"id": str(each.id), "kind": each.kind, "created": time_of(each.created)}
            for each in found
        ]
        return json_response(listed)

    async def delete(self, request: Request, change: AuditEntry) -> Response:
        _, (subscription_id,) = located(
            request, self._service.municipalities, "deleteSubscription", "id"
        )
        async with answering():
            if not await self._subscriptions.remove(subscription_id, change):
                raise NotFound(f"No subscription found for id {subscription_id}")
        return Response(status_code=204)
