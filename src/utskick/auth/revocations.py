"""Revoked clients: their tokens are refused within seconds, in every process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog

from utskick.auth.claims import AccessGrant
from utskick.domain.clock import Clock
from utskick.store.administration.clients import Clients
from utskick.store.database import PASSING

log = structlog.get_logger(__name__)

#: Seconds between two reads: a revocation has effect everywhere after so long.
EVERY: Final = 2.0
#: No token lives longer (``auth.token_seconds``).
_LIFE: Final = timedelta(hours=2)


class Revocations:
    """Clients of the embedded issuer whose earlier tokens are refused.

    While the database is away the last ones that were read stay in force.
    """

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._from: Mapping[str, float] = {}

    def refuses(self, grant: AccessGrant) -> bool:
        """Return whether the token was issued before its client was revoked."""
        if grant.issued is None or (since := self._from.get(grant.client)) is None:
            return False
        return grant.issued < since

    async def refresh(self) -> None:
        found = await self._clients.tokens_from(self._clock() - _LIFE)
        self._from = {client: moment.timestamp() for client, moment in found.items()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow revocations until leaving."""
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                await self.refresh()
            except PASSING as fault:
                log.warning("database-away", during="revocations", fault=type(fault).__name__)
            except Exception:  # a bug; the last revocations stay in force
                log.exception("revocations-fault")
            await asyncio.sleep(EVERY)
