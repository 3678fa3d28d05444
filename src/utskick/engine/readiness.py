"""Health check: the database, the queue's age, the workers, the providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from utskick.domain.account_label import label_of
from utskick.domain.channel import AccountHealth, Channel
from utskick.domain.clock import Clock, swedish
from utskick.store import queue as jobs
from utskick.store.administration.circuits import CircuitEvent, Circuits, OpenCircuit
from utskick.store.administration.maintenance import MaintenanceRows
from utskick.store.administration.storage_probe import reason_of
from utskick.store.database import PASSING, Database
from utskick.store.history.hand_overs import FailingAccount, HandOverEvent, HandOvers

#: Providers are not checked more often than this.
_CHECK_EVERY = timedelta(seconds=30)
_AWAY = timedelta(seconds=20)
#: Open circuits that are listed; any number of mail domains may be ill.
_MOST = 100
#: Openings and closings of the last day that are listed.
_EVENTS = 20


class Readiness:
    """``UP``, or ``DEGRADED`` while a provider account is down or a hand-over of letters fails.

    Messages are accepted in both. Open circuits and failing hand-overs are read from the database,
    so that every process reports those of all workers.
    """

    def __init__(self, database: Database, channels: Mapping[str, Channel], clock: Clock) -> None:
        self._database = database
        self._rows = MaintenanceRows(database)
        self._circuits = Circuits(database)
        self._hand_overs = HandOvers(database)
        self._channels = channels
        self._clock = clock
        self._providers: dict[str, dict[str, Any]] = {}
        self._checked: datetime | None = None

    async def look(self) -> dict[str, Any]:
        now = self._clock()
        try:
            depth = await jobs.depth(self._database.pool)
            workers = await self._rows.workers(now - _AWAY)
            circuits = await self._circuits.open()
            events = await self._circuits.recent(_EVENTS)
            failing = await self._hand_overs.accounts()
            hand_over_events = await self._hand_overs.recent(_EVENTS)
        except PASSING as fault:
            return {
                "status": "DOWN",
                "components": {"database": {"status": "DOWN", "reason": reason_of(fault)}},
            }
        providers = await self._check_providers(now, circuits)
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
                "handOvers": [
                    _hand_over(each, self._label_of_any(each.account)) for each in failing
                ],
                "handOverEvents": [
                    _hand_over_event(each, self._label_of_any(each.account))
                    for each in hand_over_events
                ],
            },
        }

    async def _check_providers(
        self, now: datetime, circuits: Sequence[OpenCircuit]
    ) -> dict[str, dict[str, Any]]:
        if self._checked is None or now - self._checked > _CHECK_EVERY:
            self._checked = now
            found = [
                (channel.name, health)
                for channel in self._channels.values()
                for health in await channel.look()
            ]
            self._providers = {f"{name}/{self._label(h.account)}": _shown(h) for name, h in found}
        providers = {name: {**shown, "paused": False} for name, shown in self._providers.items()}
        for each in circuits:
            if each.destination is None:
                name = f"{each.channel}/{self._label(each.account)}"
                shown = providers.setdefault(name, {})
                shown.update(status="DOWN", paused=True, detail=each.reason.sentence)
        return providers

    def _label(self, account: str) -> str:
        return label_of(self._channels, account)

    def _label_of_any(self, account: str | None) -> str | None:
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


def _shown(health: AccountHealth) -> dict[str, Any]:
    return {
        "status": "UP" if health.ok else "DOWN",
        "detail": health.sentence,
        **({"warning": True} if health.warns else {}),
    }
