"""Endpoints of statistics: number of deliveries by type, department and outcome.

Contract section 10.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Final

from fastapi import Request, Response

from utskick.domain.errors import Unreadable
from utskick.domain.status import ContractStatus
from utskick.http.context import ApiContext
from utskick.http.history.counted_types import CountedTypes
from utskick.http.wire.params import Parameters
from utskick.http.wire.responses import json_response
from utskick.store.database import answering
from utskick.store.history.statistics import (
    HAND_OVER_FAILS,
    DeliveryCount,
    StatisticsFilter,
    Tallies,
)

_OTHER, _UNCATEGORISED = "Other", "Ej kategoriserad"

#: Counter of each status.
_COUNTERS: Final[Mapping[str, str]] = {
    ContractStatus.SENT: "sent",
    ContractStatus.FAILED: "failed",
    ContractStatus.NOT_SENT: "notSent",
    ContractStatus.NO_CONTACT_SETTINGS_FOUND: "notSent",
    ContractStatus.NO_CONTACT_WANTED: "notSent",
    ContractStatus.PENDING: "pending",
    ContractStatus.AWAITING_FEEDBACK: "awaitingFeedback",
    HAND_OVER_FAILS: "handOverFails",
}

#: Seconds beyond the usual limit: a report may cover years.
_LONG: Final = 25.0


class StatisticsCalls:
    """Endpoints below ``/{municipalityId}/statistics``."""

    def __init__(self, service: ApiContext, types: CountedTypes) -> None:
        self._service = service
        self._types = types
        self._tallies = Tallies(service.database)

    async def whole(self, request: Request) -> Response:
        kind = request.query_params.get("messageType") or None
        if kind is not None and kind not in self._types.every:
            raise Unreadable(f"Failed to convert 'messageType' with value: '{kind[:100]}'")
        found = await self._counted(request, "getStatistics", types=[kind] if kind else None)
        routed_types = self._types.routed
        plain = self._by_type(tally for tally in found if tally.original_type not in routed_types)
        routed = {
            kind: self._routed(kind, found)
            for kind in routed_types
            if any(tally.original_type == kind for tally in found)
        }
        return json_response({**plain, **routed})

    async def departments(self, request: Request) -> Response:
        """Return letters by origin and department, those without either last (Q24)."""
        department = request.path_params.get("department")
        found = await self._counted(
            request, "getDepartmentStatistics", types=self._types.listed, department=department
        )
        ordered = sorted(found, key=lambda t: (*_last(t.origin), *_last(t.department)))
        return json_response(
            [
                {
                    "ORIGIN": origin or _OTHER,
                    "DEPARTMENT_STATISTICS": [
                        {"DEPARTMENT": department or _UNCATEGORISED, **self._by_type(group)}
                        for department, group in groupby(tallies, key=lambda t: t.department)
                    ],
                }
                for origin, tallies in groupby(ordered, key=lambda t: t.origin)
            ]
        )

    async def delivery_status(self, request: Request) -> Response:
        """Return letters and SMS by the channel that carried them."""
        origin, department = (
            request.query_params.get("origin"),
            request.query_params.get("department"),
        )
        found = await self._counted(
            request, "getStatisticsByDepartment", types=self._types.counted, department=department
        )
        given = {"ORIGIN": origin, "DEPARTMENT": department}
        return json_response(
            {
                **{name: value for name, value in given.items() if value is not None},
                **self._by_type(found),
            }
        )

    async def _counted(
        self,
        request: Request,
        operation: str,
        *,
        types: list[str] | None,
        department: str | None = None,
    ) -> list[DeliveryCount]:
        parameters = Parameters(operation, self._service.municipalities)
        municipality_id = parameters.municipality(request.path_params["municipalityId"])
        since, until = parameters.days(request)
        parameters.trimmed("department", department)
        origin = parameters.text("origin", request.query_params.get("origin"))
        parameters.done()
        chosen = StatisticsFilter(municipality_id, since, until, types, origin, department)
        async with answering(more=_LONG):
            failing = await self._service.hand_overs.all_failing(municipality_id)
            return await self._tallies.count(chosen, failing)

    def _by_type(self, tallies: Iterable[DeliveryCount]) -> dict[str, Any]:
        """Return a counter for each type that occurs."""
        counted: dict[str, dict[str, int]] = defaultdict(
            lambda: dict.fromkeys(("sent", "failed", "notSent", "pending", "awaitingFeedback"), 0)
        )
        for tally in tallies:
            counters, name = counted[tally.message_type], _COUNTERS[tally.word]
            counters[name] = counters.get(name, 0) + tally.number
        return {kind: counted[kind] for kind in self._types.ordered(counted)}

    def _routed(self, kind: str, found: Iterable[DeliveryCount]) -> dict[str, Any]:
        """Return the counters of a routed request by channel.

        And the number that no channel could carry.
        """
        of_kind = [tally for tally in found if tally.original_type == kind]
        undeliverable = sum(
            t.number for t in of_kind if t.message_type == kind and t.word != ContractStatus.PENDING
        )
        return {
            **self._by_type(t for t in of_kind if t.message_type != kind),
            "UNDELIVERABLE": undeliverable,
        }


def _last(name: str) -> tuple[bool, str]:
    return not name, name
