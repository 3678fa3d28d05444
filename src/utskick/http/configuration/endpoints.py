"""Endpoints of /configuration.

What a municipality, an organisation or a department sets of channels and limits, and the effective
values.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from typing import Any, Final

from fastapi import Request, Response

from utskick.configuration import redaction as showing
from utskick.configuration.changes import ANY, Change, Changes
from utskick.configuration.inheritance import Configuration
from utskick.domain.audit import AuditEntry
from utskick.domain.configuration import UnitSetting, version_of
from utskick.domain.errors import NotFound
from utskick.domain.unit import Unit
from utskick.http.configuration.schemas import ConfigurationRequest
from utskick.http.context import ApiContext
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.caller import responsible
from utskick.http.wire.params import Parameters, located, unit_of
from utskick.http.wire.responses import json_response, time_of, without_nulls
from utskick.store.database import answering

_LIMIT: Final = 1_048_576
_TAG_IN_IT: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_TAGS: Final = re.compile(rf"\s*(?:\*|{_TAG_IN_IT.pattern}(?:\s*,\s*{_TAG_IN_IT.pattern})*)\s*")


class ConfigurationCalls:
    """Endpoints below ``/{municipalityId}/configuration``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._watch = service.configuration
        self._changes = Changes(service.configuration, service.reach)

    async def all(self, request: Request) -> Response:
        municipality_id, _ = located(request, self._service.municipalities, "getConfigurations")
        async with answering():
            await self._watch.refresh()
        configuration = self._watch.now
        found = configuration.of_municipality(municipality_id)
        return json_response(
            await asyncio.to_thread(lambda: [_listed(configuration, each) for each in found])
        )

    async def read(self, request: Request) -> Response:
        unit, section = self._named(request, "getConfiguration")
        async with answering():
            await self._watch.refresh()
        return await self._respond(unit, section)

    async def put(self, request: Request, change: AuditEntry) -> Response:
        body = parse(ConfigurationRequest, await read_json(request, _LIMIT))
        unit, section = self._named(request, "putConfiguration")
        async with answering():
            created = await self._changes.put(_change(request, (unit, section), change), body.root)
        if not created:
            return await self._respond(unit, section)
        return await self._respond(
            unit, section, 201, Location=f"/{unit.municipality_id}/configuration/{section}"
        )

    async def delete(self, request: Request, change: AuditEntry) -> Response:
        unit, section = self._named(request, "deleteConfiguration")
        async with answering():
            if not await self._changes.delete(_change(request, (unit, section), change)):
                raise NotFound(f"No configuration of {section} found for {unit}")
        return Response(status_code=204)

    async def _respond(
        self, unit: Unit, section: str, status: int = 200, **headers: str
    ) -> Response:
        configuration = self._watch.now
        body = await asyncio.to_thread(_section, configuration, unit, section)
        return json_response(
            body, status, {**headers, "ETag": f'"{version_of(configuration.own(section, unit))}"'}
        )

    def _named(self, request: Request, operation: str) -> tuple[Unit, str]:
        parameters = Parameters(operation, self._service.municipalities)
        unit, section = unit_of(request, parameters), request.path_params["section"]
        if section not in self._watch.now.kinds:
            parameters.fault(
                "section", f"must be one of {', '.join(sorted(self._watch.now.kinds))}"
            )
        if not all(_TAGS.fullmatch(given) for given in request.headers.getlist("if-match")):
            parameters.fault("If-Match", "must be an ETag as it was answered, in its quotes, or *")
        parameters.done()
        return unit, section


def _change(request: Request, place: tuple[Unit, str], entry: AuditEntry) -> Change:
    unit, section = place
    return Change(unit, section, responsible(entry.caller), entry, _seen(request))


def _seen(request: Request) -> Collection[str] | None:
    """Return the versions in ``If-Match`` (RFC 9110 section 13.1.1); weak ones match nothing.

    None: the header is absent.
    """
    given = request.headers.getlist("if-match")
    if not given:
        return None
    named = [ANY] if ANY in (each.strip() for each in given) else []
    return [*named, *(tag for each in given for weak, tag in _TAG_IN_IT.findall(each) if not weak)]


def _listed(configuration: Configuration, setting: UnitSetting) -> dict[str, Any]:
    value = showing.own(configuration, setting)
    return {
        **_unit(setting.unit),
        "section": setting.section,
        **_source(setting),
        "usable": value is not None,
        "value": value or {},
    }


def _section(configuration: Configuration, unit: Unit, section: str) -> dict[str, Any]:
    """Build UnitConfiguration. Raises ``ConfigurationBroken``."""
    setting = configuration.own(section, unit)
    effective = showing.effective(configuration, section, unit)
    return without_nulls(
        {
            **_unit(unit),
            "section": section,
            **(_source(setting) if setting else {}),
            "value": showing.own(configuration, setting) if setting else {},
            "effective": {
                member: {
                    "value": value,
                    **(
                        {**_unit(by.unit), "source": _source(by)["source"]}
                        if by
                        else {"source": "service"}
                    ),
                }
                for member, (value, by) in sorted(effective.items())
            },
        }
    )


def _unit(unit: Unit) -> dict[str, Any]:
    named = {
        "municipalityId": unit.municipality_id,
        "organizationNumber": unit.organization_number,
        "department": unit.department,
    }
    return without_nulls(named)


def _source(setting: UnitSetting) -> dict[str, Any]:
    if setting.in_settings:
        return {"source": "settings"}
    return {"source": "municipality", "setBy": setting.set_by, "set": time_of(setting.set_at)}
