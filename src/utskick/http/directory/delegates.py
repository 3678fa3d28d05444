"""Endpoints of /delegates: agents who receive copies of messages to a principal.

Contact settings 2.0. Delegates and filters are bound to the municipality.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request, Response

from utskick.domain.audit import AuditEntry
from utskick.domain.contact_setting import Delegate, Filter
from utskick.domain.errors import Invalid, NotAllowedHere, NotFound, Violation
from utskick.domain.ids import new_id, parse_id
from utskick.http.context import ApiContext
from utskick.http.directory.contact_settings import LIMIT, kept_here
from utskick.http.directory.requests import DelegateCreateRequest, FilterBody
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.params import Parameters, located
from utskick.http.wire.responses import json_response, time_of, without_nulls
from utskick.store.database import answering
from utskick.store.directory.delegates import Delegated

_ORPHAN = "there is no contact setting with this id"


class DelegateCalls:
    """Endpoints below ``/{municipalityId}/delegates``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._delegates = service.directory.delegates

    def _located(self, request: Request, operation: str, *names: str) -> tuple[str, list[UUID]]:
        kept_here(self._service)
        return located(request, self._service.municipalities, operation, *names)

    async def create(self, request: Request, change: AuditEntry) -> Response:
        kept_here(self._service)
        body = parse(DelegateCreateRequest, await read_json(request, LIMIT))
        municipality_id, _ = self._located(request, "create")
        now = change.at
        principal, agent = parse_id(body.principal_id), parse_id(body.agent_id)
        assert principal is not None
        assert agent is not None
        delegate = Delegate(
            new_id(), principal, agent, tuple(each.filter(now) for each in body.filters), now, now
        )
        change = change.about(id=str(delegate.id), principalId=str(principal), agentId=str(agent))
        async with answering():
            made = await self._delegates.create(delegate, change)
            if made is Delegated.ORPHAN:
                there = {
                    s.id
                    for s in await self._service.directory.settings.all_of(
                        municipality_id, [principal, agent]
                    )
                }
                ends = (("principalId", principal), ("agentId", agent))
                raise Invalid([Violation(name, _ORPHAN) for name, end in ends if end not in there])
        if made is Delegated.TAKEN:
            raise NotAllowedHere(
                "a delegate between the two exists already: add a filter to that one"
            )
        return Response(
            status_code=201, headers={"Location": f"/{municipality_id}/delegates/{delegate.id}"}
        )

    async def read(self, request: Request) -> Response:
        municipality_id, (delegate_id,) = self._located(request, "read", "id")
        return json_response(delegate_of(await self._existing(municipality_id, delegate_id)))

    async def _existing(self, municipality_id: str, delegate_id: UUID) -> Delegate:
        async with answering():
            found = await self._delegates.get(municipality_id, delegate_id)
        if found is None:
            raise NotFound(f"No delegate found for id {delegate_id}")
        return found

    async def find(self, request: Request) -> Response:
        kept_here(self._service)
        parameters = Parameters("findByParameters", self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        given = {
            name: request.query_params[name]
            for name in ("agentId", "principalId")
            if name in request.query_params
        }
        found = {name: parameters.uuid(name, value) for name, value in given.items()}
        if not given:
            parameters.fault("queryParameters", "One of agentId or principalId must be provided!")
        parameters.done()
        async with answering():
            delegates = await self._delegates.find(
                municipality_id,
                principal_id=found.get("principalId"),
                agent_id=found.get("agentId"),
            )
        return json_response([delegate_of(each) for each in delegates])

    async def delete(self, request: Request, change: AuditEntry) -> Response:
        _, (delegate_id,) = self._located(request, "delete", "id")
        async with answering():
            if not await self._delegates.delete(delegate_id, change):
                raise NotFound(f"No delegate found for id {delegate_id}")
        return Response(status_code=204)

    # -- filters ----------------------------------------

    async def create_filter(self, request: Request, change: AuditEntry) -> Response:
        kept_here(self._service)
        body = parse(FilterBody, await read_json(request, LIMIT))
        municipality_id, (delegate_id,) = self._located(request, "create", "id")
        made = body.filter(change.at)
        change = change.about(filterId=str(made.id))
        async with answering():
            if not await self._delegates.put_filter(delegate_id, made, change):
                raise NotFound(f"No delegate found for id {delegate_id}")
        return Response(
            status_code=201,
            headers={"Location": f"/{municipality_id}/delegates/{delegate_id}/filters/{made.id}"},
        )

    async def read_filter(self, request: Request) -> Response:
        municipality_id, (delegate_id, filter_id) = self._located(request, "read", "id", "filterId")
        return json_response(
            _filter(await self._existing_filter(municipality_id, delegate_id, filter_id))
        )

    async def _existing_filter(
        self, municipality_id: str, delegate_id: UUID, filter_id: UUID
    ) -> Filter:
        delegate = await self._existing(municipality_id, delegate_id)
        found = next((each for each in delegate.filters if each.id == filter_id), None)
        if found is None:
            raise NotFound(f"No filter found for id {filter_id}")
        return found

    async def update_filter(self, request: Request, change: AuditEntry) -> Response:
        kept_here(self._service)
        body = parse(FilterBody, await read_json(request, LIMIT))
        municipality_id, (delegate_id, filter_id) = self._located(
            request, "update", "id", "filterId"
        )
        was = await self._existing_filter(municipality_id, delegate_id, filter_id)
        changed = body.filter(change.at, was)
        async with answering():
            if not await self._delegates.put_filter(delegate_id, changed, change):
                raise NotFound(f"No delegate found for id {delegate_id}")
        return json_response(_filter(changed))

    async def delete_filter(self, request: Request, change: AuditEntry) -> Response:
        """Delete a filter; deleting the last one deletes the delegate."""
        _, (delegate_id, filter_id) = self._located(request, "delete", "id", "filterId")
        async with answering():
            if not await self._delegates.delete_filter(delegate_id, filter_id, change):
                raise NotFound(f"No filter found for id {filter_id}")
        return Response(status_code=204)


def _filter(found: Filter) -> dict[str, Any]:
    rules = [
        {"attributeName": r.attribute, "operator": r.operator.value, "attributeValue": r.value}
        for r in found.rules
    ]
    return without_nulls(
        {
            "id": str(found.id),
            "alias": found.alias,
            "channel": found.channel,
            **_times(found),
            "rules": rules,
        }
    )


def delegate_of(found: Delegate) -> dict[str, Any]:
    ends = {
        "id": str(found.id),
        "principalId": str(found.principal_id),
        "agentId": str(found.agent_id),
    }
    return {**ends, **_times(found), "filters": [_filter(each) for each in found.filters]}


def _times(found: Filter | Delegate) -> dict[str, str | None]:
    return {"created": time_of(found.created), "modified": time_of(found.modified)}
