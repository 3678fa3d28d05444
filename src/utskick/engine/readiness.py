"""Health check: the database, the queue's age, the workers, the providers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from utskick.domain.clock import Clock, swedish
from utskick.engine.provider_checks import Health, ProviderChecks, combined
from utskick.store import queue as jobs
from utskick.store.administration.circuits import CircuitEvent, Circuits, OpenCircuit
from utskick.store.administration.maintenance import MaintenanceRows
from utskick.store.database import PASSING, Database

_AWAY = timedelta(seconds=20)
#: Open circuits that are listed; any number of mail domains may be ill.
_MOST = 100
#: Openings and closings of the last day that are listed.
_EVENTS = 20


class Readiness:
    """``UP``, or ``DEGRADED`` while a provider account is down; messages are accepted in both.

    Open circuits are read from the database, so that every process reports those of all workers.
    ``checks``: of this process, None where it does not send; then workers tell what they found.
    """

    def __init__(self, database: Database, checks: ProviderChecks | None, clock: Clock) -> None:
        self._database = database
        self._rows = MaintenanceRows(database)
        self._circuits = Circuits(database)
        self._checks = checks
        self._clock = clock

    async def look(self) -> dict[str, Any]:
        now = self._clock()
        try:
            depth = await jobs.depth(self._database.pool)
            workers = await self._rows.workers(now - _AWAY)
            circuits = await self._circuits.open()
            events = await self._circuits.recent(_EVENTS)
            found = None if self._checks else await self._rows.health(now - _AWAY)
        except PASSING as fault:
            return {
                "status": "DOWN",
                "components": {"database": {"status": "DOWN", "reason": type(fault).__name__}},
            }
        health = await self._checks.current() if self._checks else combined(found or [])
        providers = _providers(health, circuits)
        degraded = any(each["status"] == "DOWN" for each in providers.values())
        return {
            "status": "DEGRADED" if degraded else "UP",
            "components": {
                "database": {"status": "UP"},
                "queue": {
                    "status": "UP",
                    "waiting": depth.due + depth.later,
                    "due": depth.due,
                    "oldestSeconds": round(depth.age, 1),
                },
                "workers": {"status": "UP" if workers else "DOWN", "count": workers},
                "providers": providers,
                "circuits": [_circuit(each) for each in circuits[:_MOST]],
                "circuitEvents": [_event(each) for each in events],
            },
        }


def _providers(health: Health, circuits: Sequence[OpenCircuit]) -> dict[str, dict[str, Any]]:
    """Build the state of each account, DOWN where its circuit is open."""
    providers = {name: {**shown, "paused": False} for name, shown in health.items()}
    for each in circuits:
        if each.destination is None:
            shown = providers.setdefault(f"{each.channel}/{each.account}", {})
            shown.update(status="DOWN", paused=True, detail=each.reason.sentence)
    return providers


def _circuit(circuit: OpenCircuit) -> dict[str, Any]:
    """Build what says which account or destination is paused, since when and why."""
    return {
        "channel": circuit.channel,
        "account": circuit.account,
        **({"destination": circuit.destination} if circuit.destination else {}),
        "since": swedish(circuit.since),
        "retryAt": swedish(circuit.retry_at),
        "reason": circuit.reason.sentence,
        "code": circuit.reason.code,
    }


def _event(event: CircuitEvent) -> dict[str, Any]:
    return {
        "at": swedish(event.at),
        "event": "opened" if event.opened else "closed",
        "channel": event.channel,
        "account": event.account,
        **({"destination": event.destination} if event.destination else {}),
        "code": event.code,
    }
