"""Endpoints of /settings: contact settings (contact settings 2.0)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from utskick.domain.audit import AuditEntry
from utskick.domain.contact_setting import ContactChannel, ContactSetting
from utskick.domain.errors import Invalid, NotAllowedHere, NotFound, Violation
from utskick.domain.ids import new_id, parse_id
from utskick.http.audit.subject import naming
from utskick.http.context import ApiContext
from utskick.http.directory.requests import ContactSettingCreateRequest, ContactSettingUpdateRequest
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.params import Parameters, located, required
from utskick.http.wire.responses import json_response, time_of, without_nulls
from utskick.store.database import answering
from utskick.store.directory.contact_settings import Made

LIMIT = 262_144


def kept_here(service: ApiContext) -> None:
    """Check that contact settings are kept here.

    Raises ``NotAllowedHere`` where another service keeps them.
    """
    if not service.keeps_contacts:
        raise NotAllowedHere(
            "contact settings are kept by a service of the municipality (directory.contacts is "
            "remote): ask that one"
        )


class ContactSettingCalls:
    """Endpoints below ``/{municipalityId}/settings``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._settings = service.directory.settings

    def _located(self, request: Request, operation: str) -> tuple[str, UUID]:
        kept_here(self._service)
        municipality_id, (setting_id,) = located(
            request, self._service.municipalities, operation, "id"
        )
        return municipality_id, setting_id

    async def create(self, request: Request, change: AuditEntry) -> Response:
        kept_here(self._service)
        body = parse(ContactSettingCreateRequest, await read_json(request, LIMIT))
        municipality_id, _ = located(request, self._service.municipalities, "create")
        now = change.at
        party, maker = (
            parse_id(given) if given else None for given in (body.party_id, body.createdById)
        )
        channels = tuple(each.channel() for each in body.contact_channels or ())
        setting = ContactSetting(new_id(), party, maker, body.alias, channels, now, now)
        change = change.about(id=str(setting.id))
        if maker is not None:
            change = change.about(createdById=str(maker))
        async with answering():
            if party is not None:
                change = await naming(change, self._service.database, party)
            made = await self._settings.create(setting, change)
        if made is Made.TAKEN:
            raise NotAllowedHere(
                "a contact setting for this partyId exists already: change that one"
            )
        if made is Made.ORPHAN:
            raise Invalid([Violation("createdById", "there is no contact setting with this id")])
        return Response(
            status_code=201, headers={"Location": f"/{municipality_id}/settings/{setting.id}"}
        )

    async def read(self, request: Request) -> Response:
        municipality_id, setting_id = self._located(request, "read")
        return json_response(
            setting_of(municipality_id, await self._existing(municipality_id, setting_id))
        )

    async def _existing(self, municipality_id: str, setting_id: UUID) -> ContactSetting:
        async with answering():
            found = await self._settings.get(municipality_id, setting_id)
        if found is None:
            raise NotFound(f"No contact setting found for id {setting_id}")
        return found

    async def update(self, request: Request, change: AuditEntry) -> Response:
        kept_here(self._service)
        body = parse(ContactSettingUpdateRequest, await read_json(request, LIMIT))
        municipality_id, setting_id = self._located(request, "update")
        found = await self._existing(municipality_id, setting_id)
        channels = (
            found.channels
            if body.contact_channels is None
            else tuple(each.channel() for each in body.contact_channels)
        )
        alias = found.alias if body.alias is None else body.alias
        changed = replace(found, alias=alias, channels=channels, modified=change.at)
        async with answering():
            if not await self._settings.update(changed, change):
                raise NotFound(f"No contact setting found for id {setting_id}")
        return json_response(setting_of(municipality_id, changed))

    async def delete(self, request: Request, change: AuditEntry) -> Response:
        _, setting_id = self._located(request, "delete")
        async with answering():
            if not await self._settings.delete(setting_id, change):
                raise NotFound(f"No contact setting found for id {setting_id}")
        return Response(status_code=204)

    async def children(self, request: Request) -> Response:
        municipality_id, setting_id = self._located(request, "readChildren")
        await self._existing(municipality_id, setting_id)
        async with answering():
            return _all(municipality_id, await self._settings.children(municipality_id, setting_id))

    async def find(self, request: Request) -> Response:
        """Find by party id; every other parameter is matched against the filters of delegates."""
        kept_here(self._service)
        given = required(request, "partyId")
        parameters = Parameters("findByPartyIdAndQueryFilter", self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        party_id = parameters.uuid("partyId", given)
        parameters.done()
        parameters_given = request.query_params
        query = {
            name: parameters_given.getlist(name) for name in parameters_given if name != "partyId"
        }
        async with answering():
            return _all(
                municipality_id,
                await self._service.directory.chain.of(municipality_id, party_id, query),
            )

    async def by_destination(self, request: Request) -> Response:
        kept_here(self._service)
        destination = required(request, "destination")
        municipality_id, _ = located(request, self._service.municipalities, "findByDestination")
        if destination.startswith(" "):  # an unescaped plus sign
            destination = "+" + destination.strip()
        if not destination.strip():
            raise Invalid([Violation("findByDestination.destination", "must not be blank")])
        async with answering():
            return _all(
                municipality_id, await self._settings.by_destination(municipality_id, destination)
            )


def setting_of(municipality_id: str, setting: ContactSetting) -> dict[str, Any]:
    """Build ContactSetting of the contract."""
    return without_nulls(
        {
            "id": str(setting.id),
            "partyId": str(setting.party_id) if setting.party_id else None,
            "municipalityId": municipality_id,
            "createdById": str(setting.created_by_id) if setting.created_by_id else None,
            "alias": setting.alias,
            "virtual": setting.virtual,
            "contactChannels": [_channel(channel) for channel in setting.channels],
            "created": time_of(setting.created),
            "modified": time_of(setting.modified),
        }
    )


def _channel(channel: ContactChannel) -> dict[str, Any]:
    members = {
        "contactMethod": channel.method.value,
        "alias": channel.alias,
        "destination": channel.destination or None,
    }
    return {**without_nulls(members), "disabled": channel.disabled}


def _all(municipality_id: str, settings: Sequence[ContactSetting]) -> Response:
    return json_response([setting_of(municipality_id, setting) for setting in settings])
