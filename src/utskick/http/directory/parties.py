"""Endpoints of /parties: directory entries.

A number is accepted in the body and never returned in full.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request, Response

from utskick.domain.audit import AuditEntry
from utskick.domain.directory_ports import Party
from utskick.domain.errors import NotAllowedHere, NotFound
from utskick.domain.legal_id import masked
from utskick.http.context import ApiContext
from utskick.http.directory.requests import PartyRequest
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.params import located
from utskick.http.wire.responses import json_response, without_nulls
from utskick.store.database import answering
from utskick.store.directory.parties import Put

_LIMIT = 65_536


class PartyCalls:
    """Endpoints at ``/{municipalityId}/parties/{partyId}``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._parties = service.directory.parties

    def _located(self, request: Request, operation: str) -> tuple[str, UUID]:
        municipality_id, (party_id,) = located(
            request, self._service.municipalities, operation, "partyId"
        )
        return municipality_id, party_id

    async def put(self, request: Request, change: AuditEntry) -> Response:
        body = parse(PartyRequest, await read_json(request, _LIMIT))
        municipality_id, party_id = self._located(request, "putParty")
        party = Party(party_id, body.number(), body.place(), body.protected)
        async with answering():
            put = await self._parties.put(party, change)
        if put is Put.TAKEN:
            raise NotAllowedHere("the legalId belongs to another party")
        answer = _registered(party)
        if put is Put.CREATED:
            answer.status_code = 201
            answer.headers["Location"] = f"/{municipality_id}/parties/{party_id}"
        return answer

    async def read(self, request: Request) -> Response:
        municipality_id, party_id = self._located(request, "getParty")
        async with answering():
            party = await self._parties.get(municipality_id, party_id)
        if party is None:
            raise NotFound(f"No party found for party id {party_id}")
        return _registered(party)


def place_of(party: Party) -> dict[str, Any]:
    """Return names and address of a party."""
    at = party.address
    names = {"firstName": at.first_name, "lastName": at.last_name, "organization": at.organization}
    address: dict[str, Any] = {
        "address": at.street,
        "apartmentNumber": at.apartment,
        "careOf": at.care_of,
        "zipCode": at.postal_code,
        "city": at.city,
        "country": at.country,
    }
    return {"names": without_nulls(names), "address": without_nulls(address)}


def _registered(party: Party) -> Response:
    """Build RegisteredParty; without the address where the identity is protected."""
    members = {
        "partyId": str(party.id),
        "type": party.kind.value,
        "legalId": masked(party.legal_id),
        **place_of(party),
    }
    if party.protected:
        del members["address"]
    return json_response({**members, "protected": party.protected})
