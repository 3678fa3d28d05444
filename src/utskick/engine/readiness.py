"""Health check: the database, the queue's age, the workers, the providers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from utskick.domain.channel import AccountHealth, Channel
from utskick.domain.clock import Clock
from utskick.engine.limits import AccountLimits
from utskick.store import queue as jobs
from utskick.store.administration.maintenance import MaintenanceRows
from utskick.store.database import PASSING, Database

#: Providers are not checked more often than this.
_CHECK_EVERY = timedelta(seconds=30)
_AWAY = timedelta(seconds=20)


class Readiness:
    """``UP`` as long as messages can be accepted; other faults are reported under their name."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        limits: Mapping[tuple[str, str], AccountLimits],
        clock: Clock,
    ) -> None:
        self._database = database
        self._rows = MaintenanceRows(database)
        self._channels = channels
        self._limits = limits
        self._clock = clock
        self._providers: dict[str, Any] = {}
        self._checked: datetime | None = None

    async def look(self) -> dict[str, Any]:
        now = self._clock()
        try:
            waiting, age = await jobs.depth(self._database.pool)
            workers = await self._rows.workers(now - _AWAY)
        except PASSING as fault:
            return {
                "status": "DOWN",
                "components": {"database": {"status": "DOWN", "reason": type(fault).__name__}},
            }
        return {
            "status": "UP",
            "components": {
                "database": {"status": "UP"},
                "queue": {"status": "UP", "waiting": waiting, "oldestSeconds": round(age, 1)},
                "workers": {"status": "UP" if workers else "DOWN", "count": workers},
                "providers": await self._check_providers(now),
            },
        }

    async def _check_providers(self, now: datetime) -> dict[str, Any]:
        if self._checked is None or now - self._checked > _CHECK_EVERY:
            self._checked = now
            found = [
                (channel.name, health)
                for channel in self._channels.values()
                for health in await channel.look()
            ]
            self._providers = {f"{name}/{h.account}": _shown(h) for name, h in found}
        for (channel, account), account_limits in self._limits.items():
            known = self._providers.setdefault(f"{channel}/{account}", {"status": "UP"})
            known["paused"] = account_limits.shut
        return self._providers


def _shown(health: AccountHealth) -> dict[str, Any]:
    return {
        "status": "UP" if health.ok else "DOWN",
        "detail": health.sentence,
        **({"warning": True} if health.warns else {}),
    }
