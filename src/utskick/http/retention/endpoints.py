"""Endpoints of /configuration/retention and /holds.

Retention rules, the retention log, and holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request, Response

from utskick.domain.audit import AuditEntry
from utskick.domain.errors import Invalid, NotAllowedHere, NotFound, Violation
from utskick.domain.retention import OTHERS, HoldKind, RetentionRule, Rules
from utskick.domain.unit import Unit
from utskick.http.audit.subject import naming
from utskick.http.context import ApiContext
from utskick.http.retention.schemas import HoldRequest, RetentionRequest
from utskick.http.wire.body import parse, read_json
from utskick.http.wire.caller import responsible
from utskick.http.wire.params import Parameters, located, unit_of
from utskick.http.wire.responses import json_response, paging_of, time_of, without_nulls
from utskick.store.database import answering
from utskick.store.retention.holds import Hold, Holds, NewHold
from utskick.store.retention.log import Protocol, RetentionLogEntry
from utskick.store.retention.rules import RetentionRules

_LIMIT: Final = 65_536
_MOST: Final = 1000


class RetentionCalls:
    """Endpoints below ``/{municipalityId}/configuration/retention``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._rules = RetentionRules(service.database, service.retention)
        self._protocol = Protocol(service.database)

    async def read(self, request: Request) -> Response:
        municipality_id, _ = located(request, self._service.municipalities, "getRetentionRules")
        async with answering():
            rules = await self._rules.of(municipality_id)
            return json_response(rules_of(rules, municipality_id, self._service.message_types))

    async def put(self, request: Request, change: AuditEntry) -> Response:
        body = parse(RetentionRequest, await read_json(request, _LIMIT))
        unit, message_type = self._typed(request, "putRetentionRule")
        rule = RetentionRule(
            message_type, body.days, body.decision, responsible(change.caller), change.at, unit
        )
        async with answering():
            created = await self._rules.put(rule, change)
        return json_response(
            rule_of(rule),
            201 if created else 200,
            _place(unit.municipality_id) if created else None,
        )

    async def delete(self, request: Request, change: AuditEntry) -> Response:
        unit, message_type = self._typed(request, "deleteRetentionRule")
        async with answering():
            if not await self._rules.delete(unit, message_type, change):
                raise NotFound(f"No retention rule found for message type {message_type}")
        return Response(status_code=204)

    async def protocol(self, request: Request) -> Response:
        municipality_id, page, limit = paged(request, self._service, "getRetentionProtocol")
        async with answering():
            total, entries = await self._protocol.page(municipality_id, (page - 1) * limit, limit)
        return json_response(
            {
                "protocol": [_entry(entry) for entry in entries],
                "_meta": paging_of(page, limit, total, len(entries)),
            }
        )

    def _typed(self, request: Request, operation: str) -> tuple[Unit, str]:
        parameters = Parameters(operation, self._service.municipalities)
        unit = unit_of(request, parameters)
        message_type = request.path_params["messageType"]
        named = (*self._service.message_types, OTHERS)
        if message_type not in named:
            parameters.fault("messageType", f"must be one of {', '.join(named)}")
        parameters.done()
        return unit, message_type


class HoldCalls:
    """Endpoints below ``/{municipalityId}/holds``."""

    def __init__(self, service: ApiContext) -> None:
        self._service = service
        self._holds = Holds(service.database)

    async def create(self, request: Request, change: AuditEntry) -> Response:
        body = parse(HoldRequest, await read_json(request, _LIMIT))
        municipality_id, _ = located(request, self._service.municipalities, "createHold")
        wanted = NewHold(body.subject(), body.reason, body.reference, responsible(change.caller))
        async with answering():
            if wanted.subject.kind is HoldKind.PARTY:
                change = await naming(change, self._service.database, wanted.subject.id)
            made = await self._holds.place(wanted, change)
            if made is None:
                raise Invalid([Violation("id", f"there is no {body.kind} with this id")])
            hold = await self._holds.get(municipality_id, made)
        assert hold is not None
        return json_response(hold_of(hold), 201, {"Location": f"/{municipality_id}/holds/{made}"})

    async def find(self, request: Request) -> Response:
        municipality_id, page, limit = paged(request, self._service, "getHolds")
        async with answering():
            total, holds = await self._holds.listed(municipality_id, (page - 1) * limit, limit)
        return json_response(
            {
                "holds": [hold_of(hold) for hold in holds],
                "_meta": paging_of(page, limit, total, len(holds)),
            }
        )

    async def read(self, request: Request) -> Response:
        municipality_id, (hold_id,) = located(
            request, self._service.municipalities, "getHold", "id"
        )
        async with answering():
            hold = await self._holds.get(municipality_id, hold_id)
        if hold is None:
            raise NotFound(f"No hold found for id {hold_id}")
        return json_response(hold_of(hold))

    async def lift(self, request: Request, change: AuditEntry) -> Response:
        municipality_id, (hold_id,) = located(
            request, self._service.municipalities, "liftHold", "id"
        )
        actor = responsible(change.caller)
        async with answering():
            if await self._holds.lift(hold_id, actor, change):
                return Response(status_code=204)
            if await self._holds.get(municipality_id, hold_id) is None:
                raise NotFound(f"No hold found for id {hold_id}")
        raise NotAllowedHere("the hold has been lifted before")


def paged(request: Request, service: ApiContext, operation: str) -> tuple[str, int, int]:
    """Return municipality, page and limit. Raises ``Invalid`` with every violation."""
    parameters = Parameters(operation, service.municipalities)
    municipality_id = parameters.municipality(request.path_params["municipalityId"])
    page, limit = parameters.paging(request)
    parameters.done()
    return municipality_id, page, min(limit, _MOST)


def rules_of(rules: Rules, municipality_id: str, types: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rules of the municipality and its units, then those of the settings.

    Of the settings, those that apply to anything. ``types``: all message types.
    """
    named = (*types, OTHERS)
    applied = {rule for kind in types for rule in rules.of_type(kind, municipality_id)}
    return [
        rule_of(rule)
        for each in (rules.own, [r for r in rules.defaults if r in applied])
        for rule in sorted(each, key=lambda rule: _order(rule, named))
    ]


def _order(rule: RetentionRule, named: Sequence[str]) -> tuple[str, str, int]:
    """Sort key: the widest unit first, then the order of the types."""
    unit = rule.unit
    return (
        (unit.organization_number or "", unit.department or "", named.index(rule.message_type))
        if unit
        else ("", "", -1)
    )


def rule_of(rule: RetentionRule) -> dict[str, Any]:
    return without_nulls(
        {
            "messageType": rule.message_type,
            "days": rule.days,
            "preserve": True if rule.preserves else None,
            "decision": rule.decision,
            "organizationNumber": rule.unit.organization_number if rule.unit else None,
            "department": rule.unit.department if rule.unit else None,
            "source": "municipality" if rule.set_at else "settings",
            "setBy": rule.set_by,
            "set": time_of(rule.set_at),
        }
    )


def hold_of(hold: Hold) -> dict[str, Any]:
    return without_nulls(
        {
            "id": str(hold.id),
            "kind": hold.kind.value,
            "subject": str(hold.subject) if hold.subject else None,
            "reason": hold.reason,
            "reference": hold.reference,
            "active": hold.lifted_at is None,
            "placedBy": hold.placed_by,
            "placed": time_of(hold.placed_at),
            "liftedBy": hold.lifted_by,
            "lifted": time_of(hold.lifted_at),
        }
    )


def _entry(entry: RetentionLogEntry) -> dict[str, Any]:
    cause, gone = entry.cause, entry.removed
    return without_nulls(
        {
            "at": time_of(entry.at),
            "kind": cause.kind,
            "messageType": cause.message_type,
            "days": cause.days,
            "decision": cause.decision,
            "actor": cause.actor,
            "reference": cause.reference,
            "messages": gone.messages,
            "deliveries": gone.deliveries,
            "batches": gone.batches,
            "files": gone.files,
            "entries": gone.entries,
            "oldest": time_of(gone.oldest),
            "newest": time_of(gone.newest),
        }
    )


def _place(municipality_id: str) -> dict[str, str]:
    return {"Location": f"/{municipality_id}/configuration/retention"}
