"""Delivery of the audit log to a syslog server, from a position that is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, time
from typing import Any, Final

import orjson
import structlog

from utskick.domain.audit_heads import SignedHead
from utskick.domain.clock import Clock
from utskick.store.administration.audit_positions import AuditPositions, Waiting
from utskick.store.database import PASSING, Database

log = structlog.get_logger(__name__)

#: ``deliver`` and ``message`` of ``outgoing.syslog``, bound to the server of the settings.
Deliver = Callable[[Sequence[bytes]], Awaitable[None]]
Compose = Callable[[datetime, str, dict[str, str], str], bytes]
#: Seconds between two rounds, and after a failure at most.
_ROUND: Final = 5.0
_LONGEST: Final = 60.0


class AuditSyslog:
    """Rounds of any number of workers: each municipality is served by one at a time.

    Entries are delivered at least once, in the order of the chain; the number of its link tells a
    repeated one. What could not be delivered waits, and is told in the log.
    """

    def __init__(
        self, database: Database, deliver: Deliver, compose: Compose, clock: Clock
    ) -> None:
        self._database = database
        self._positions = AuditPositions(database)
        self._deliver = deliver
        self._compose = compose
        self._clock = clock

    async def run(self) -> None:
        """Deliver until cancelled."""
        wait = _ROUND
        while True:
            try:
                wait = _ROUND if await self.round() else min(wait * 2, _LONGEST)
            except PASSING as fault:
                log.warning("audit-syslog-without-database", fault=type(fault).__name__)
            await asyncio.sleep(wait)

    async def round(self) -> bool:
        """Deliver what waits. False: something could not be delivered."""
        well = True
        for municipality_id in await self._positions.places():
            while await self._positions.step(municipality_id, self._send):
                pass
            if (fault := await self._positions.fault(municipality_id)) is not None:
                log.error("audit-syslog-failed", municipality=municipality_id, fault=fault)
                well = False
        return well

    async def _send(self, waiting: Waiting) -> str | None:
        """Deliver entries and heads. Returns why it failed."""
        opened = await self._database.vault.callers.opened(waiting.entries)
        messages = [*map(self._entry, opened), *map(self._head, waiting.heads)]
        try:
            await self._deliver(messages)
        except OSError as fault:  # of the network, of TLS, of a file
            return f"{type(fault).__name__}: {fault.strerror or fault}"[:200]
        return None

    def _entry(self, row: dict[str, Any]) -> bytes:
        members = {
            "municipality": row["municipality_id"],
            "number": str(row["number"]),
            "digest": row["digest"].hex(),
            **{
                name: row[name]
                for name in ("action", "client", "origin", "issuer", "address", "request_id")
                if row[name] is not None
            },
        }
        return self._compose(row["at"], "entry", members, orjson.dumps(row["subject"]).decode())

    def _head(self, head: SignedHead) -> bytes:
        at = datetime.combine(head.day, time(), UTC)
        members = {"municipality": head.municipality_id, "number": str(head.link.number)}
        return self._compose(at, "head", members, orjson.dumps(head.line()).decode())
