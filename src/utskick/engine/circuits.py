"""Log of the circuit breakers of a worker: a log line for each change, and rows for all to read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from utskick.domain.clock import Clock
from utskick.domain.outcome import Reason
from utskick.engine.breaker import CircuitBreaker
from utskick.store.administration.circuits import CircuitEvent, Circuits, OpenCircuit
from utskick.store.database import PASSING, Database

log = structlog.get_logger(__name__)

#: Openings and closings that are written at a time; of more, while the database was away, the last.
_MOST: Final = 1000
_UNKNOWN: Final = Reason("provider-fault", "the provider gave no usable answers")


class CircuitLog:
    """The open circuits of one worker. ``changed`` is called when one opens, stays open or closes.

    Nothing is written while none changes. ``label``: an account's name for people, in the log.
    """

    def __init__(
        self,
        database: Database,
        worker_id: UUID,
        clock: Clock,
        label: Callable[[str], str] = str,
    ) -> None:
        self._rows = Circuits(database)
        self._worker_id = worker_id
        self._clock = clock
        self._label = label
        self._open: dict[tuple[str, str, str | None], OpenCircuit] = {}
        self._events: list[CircuitEvent] = []
        self._is_written = True
        self._writing: asyncio.Task[None] | None = None

    def changed(
        self, channel: str, account: str, destination: str | None, breaker: CircuitBreaker
    ) -> None:
        """Log a change, and have it written in the background."""
        key, now = (channel, account, destination), self._clock()
        known = self._open.pop(key, None)
        if breaker.is_closed:
            if known is not None:
                seconds = round((now - known.since).total_seconds(), 1)
                log.info("circuit-closed", **self._named(known), open_seconds=seconds)
                self._events.append(CircuitEvent(now, *key, False, known.reason.code))
        else:
            found = OpenCircuit(
                *key,
                known.since if known else now,
                now + timedelta(seconds=breaker.opens_in),
                breaker.reason or _UNKNOWN,
            )
            self._open[key] = found
            if known is None:
                self._events.append(CircuitEvent(now, *key, True, found.reason.code))
                log.warning(
                    "circuit-opened",
                    **self._named(found),
                    reason=found.reason.code,
                    retry_seconds=round(breaker.opens_in, 1),
                )
        self._is_written = False
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def keep(self) -> None:
        """Renew what is written; called in each round of maintenance."""
        if not self._is_written:
            await self._write()
        elif self._open:
            await self._rows.renew(self._worker_id)

    async def close(self) -> None:
        """Remove the rows of this worker."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        if self._open:
            self._open.clear()
            await self._rows.write(self._worker_id, ())

    async def _write(self) -> None:
        while not self._is_written:
            self._is_written = True
            events, self._events = self._events[-_MOST:], []
            try:
                await self._rows.write(self._worker_id, list(self._open.values()), events)
            except PASSING:  # the next round of maintenance writes it
                self._is_written = False
                self._events = events + self._events
                return
            except Exception:  # a bug: logged in full; sending goes on
                log.exception("circuit-log-fault")
                return

    def _named(self, circuit: OpenCircuit) -> dict[str, str]:
        names = {"channel": circuit.channel, "account": self._label(circuit.account)}
        return names | ({"destination": circuit.destination} if circuit.destination else {})
