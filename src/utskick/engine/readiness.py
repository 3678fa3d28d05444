"""Health check: the database, the queue's age, the workers, the providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from utskick.domain.account_label import label_of
from utskick.domain.channel import Channel
from utskick.domain.clock import Clock, swedish
from utskick.engine.provider_checks import Health, ProviderChecks, combined
from utskick.store import queue as jobs
from utskick.store.administration.circuits import CircuitEvent, Circuits, OpenCircuit
from utskick.store.administration.maintenance import MaintenanceRows
from utskick.store.administration.storage_probe import reason_of
from utskick.store.database import PASSING, Database
from utskick.store.history.hand_overs import FailingAccount, HandOverEvent, HandOvers

_AWAY = timedelta(seconds=20)
#: Open circuits that are listed; any number of mail domains may be ill.
_MOST = 100
#: Openings and closings of the last day that are listed.
_EVENTS = 20


class Readiness:
    """``UP``, or ``DEGRADED`` while a provider account is down or a hand-over of letters fails.

    Messages are accepted in both. Open circuits and failing hand-overs are read from the database,
    so that every process reports those of all workers. ``checks``: of this process, None where it
    does not send; then workers tell what they found.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        checks: ProviderChecks | None,
        clock: Clock,
    ) -> None:
        self._database = database
        self._rows = MaintenanceRows(database)
        self._circuits = Circuits(database)
        self._hand_overs = HandOvers(database)
        self._channels = channels
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
            failing = await self._hand_overs.accounts()
            hand_over_events = await self._hand_overs.recent(_EVENTS)
        except PASSING as fault:
            return {
                "status": "DOWN",
                "components": {"database": {"status": "DOWN", "reason": reason_of(fault)}},
            }
        health = await self._checks.current() if self._checks else combined(found or [])
        providers = self._providers(health, circuits)
        degraded = any(each["status"] == "DOWN" for each in providers.values()) or failing
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
                "circuits": [
                    _circuit(each, self._label(each.account)) for each in circuits[:_MOST]
                ],
                "circuitEvents": [_event(each, self._label(each.account)) for each in events],
                "handOvers": [_hand_over(each, self._known(each.account)) for each in failing],
                "handOverEvents": [
                    _hand_over_event(each, self._known(each.account)) for each in hand_over_events
                ],
            },
        }

    def _providers(
        self, health: Health, circuits: Sequence[OpenCircuit]
    ) -> dict[str, dict[str, Any]]:
        """Build the state of each account, DOWN where its circuit is open."""
        providers = {name: {**shown, "paused": False} for name, shown in health.items()}
        for each in circuits:
            if each.destination is None:
                name = f"{each.channel}/{self._label(each.account)}"
                shown = providers.setdefault(name, {})
                shown.update(status="DOWN", paused=True, detail=each.reason.sentence)
        return providers

    def _label(self, account: str) -> str:
        return label_of(self._channels, account)

    def _known(self, account: str | None) -> str | None:
        return None if account is None else self._label(account)


def _circuit(circuit: OpenCircuit, account: str) -> dict[str, Any]:
    """Build what says which account or destination is paused, since when and why."""
    return {
        "channel": circuit.channel,
        "account": account,
        **({"destination": circuit.destination} if circuit.destination else {}),
        "since": swedish(circuit.since),
        "retryAt": swedish(circuit.retry_at),
        "reason": circuit.reason.sentence,
        "code": circuit.reason.code,
    }


def _event(event: CircuitEvent, account: str) -> dict[str, Any]:
    return {
        "at": swedish(event.at),
        "event": "opened" if event.opened else "closed",
        "channel": event.channel,
        "account": account,
        **({"destination": event.destination} if event.destination else {}),
        "code": event.code,
    }


def _hand_over(failing: FailingAccount, account: str | None) -> dict[str, Any]:
    """Build what says which account fails to take letters, since when, why, and how many wait."""
    return {
        "channel": failing.channel,
        "account": account,
        "since": swedish(failing.since),
        **({"retryAt": swedish(failing.retry_at)} if failing.retry_at is not None else {}),
        "reason": failing.reason.sentence,
        "code": failing.reason.code,
        "printBatches": failing.batches,
        "letters": failing.letters,
    }


def _hand_over_event(event: HandOverEvent, account: str | None) -> dict[str, Any]:
    return {
        "at": swedish(event.at),
        "event": "failing" if event.began else "ended",
        "channel": event.channel,
        "account": account,
        "letters": event.letters,
        **({"code": event.code} if event.code is not None else {}),
    }
