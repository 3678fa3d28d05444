"""Retention, carried out step by step, for a bounded time in each round of maintenance."""

from __future__ import annotations

from collections.abc import Collection
from time import monotonic
from typing import Final

from utskick.domain.clock import Clock
from utskick.domain.retention import RetentionRule
from utskick.store.database import Database
from utskick.store.retention.inbound import InboundRetention
from utskick.store.retention.purge import RemovalCounts
from utskick.store.retention.sweep import Retention, Sweep

#: Seconds of one round, in which at least one step is made.
ROUND: Final = 1.0


class RetentionRound:
    """Rounds of any number of workers: each municipality is served by one at a time."""

    def __init__(
        self,
        database: Database,
        defaults: Collection[RetentionRule],
        clock: Clock,
        seconds: float = ROUND,
    ) -> None:
        self._retention = Retention(database, defaults)
        self._inbound = InboundRetention(database, defaults)
        self._clock = clock
        self._seconds = seconds
        self._waiting: list[Sweep] = []

    async def round(self) -> RemovalCounts:
        """Remove what is due; the next round goes on where this one ended."""
        ends, removed = monotonic() + self._seconds, RemovalCounts()
        if not self._waiting:
            self._waiting = await self._retention.sweeps()
            for municipality_id in await self._retention.places_of_files():
                removed += RemovalCounts(
                    files=await self._retention.sweep_files(municipality_id, self._clock())
                )
        for municipality_id in await self._inbound.places():
            removed += await self._inbound.step(municipality_id, self._clock())
        while self._waiting and monotonic() < ends:
            gone = await self._retention.step(self._waiting[0], self._clock())
            if gone is None:
                self._waiting.pop(0)
            else:
                removed += gone
        return removed
