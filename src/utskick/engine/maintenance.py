"""Periodic maintenance: heartbeats, receipts, statistics, audit log, jobs, keys and retention."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import structlog

from utskick.domain.clock import Clock
from utskick.domain.delivery import LIFETIME
from utskick.domain.retention import RetentionRule
from utskick.engine.accounts import AccountLimitsMap
from utskick.engine.provider_checks import Health
from utskick.engine.receipts import Receipts
from utskick.engine.retention import RetentionRound
from utskick.store.administration.audit import Audit
from utskick.store.administration.audit_heads import AuditHeads
from utskick.store.administration.maintenance import MaintenanceRows
from utskick.store.database import Database
from utskick.store.events.transaction_numbers import Numbering
from utskick.store.history.statistics import Tallies
from utskick.store.messages.idempotency import IdempotencyKeys
from utskick.store.messages.inbound import InboundRows
from utskick.store.retention.callers import CallerRetention

log = structlog.get_logger(__name__)

#: Seconds between two rounds.
ROUND = 5.0
#: A worker that was not seen for this long no longer shares the accounts' limits.
_AWAY = timedelta(seconds=20)
_RECEIPTS_WAIT, _RECEIPTS_GIVE_UP = 15.0, 7 * 86_400.0


class Maintenance:
    """``round`` is called every ``ROUND`` seconds by each worker.

    Everything in it may be done by several at once.
    """

    def __init__(
        self,
        database: Database,
        receipts: Receipts,
        limits: AccountLimitsMap,
        clock: Clock,
        retention: Collection[RetentionRule] = (),
    ) -> None:
        self._rows = MaintenanceRows(database)
        self._keys = IdempotencyKeys(database)
        self._vault = database.vault
        self._numbering = Numbering(database)
        self._tallies = Tallies(database)
        self._retention = RetentionRound(database, retention, clock)
        self._audit = Audit(database)
        self._callers = CallerRetention(database, retention)
        self._heads = AuditHeads(database)
        self._inbound = InboundRows(database)
        self._receipts = receipts
        self._limits = limits
        self._clock = clock
        self._rounds = 0

    async def begin(self) -> None:
        """Prepare, before a worker's first claim: what the worker writes must come after it."""
        await self._numbering.mend()

    async def round(self, worker_id: UUID) -> None:
        now = self._clock()
        channels = sorted({channel for channel, _ in self._limits})
        await self._rows.sign_on(worker_id, socket.gethostname(), os.getpid(), channels, now)
        self._limits.share(await self._rows.workers(now - _AWAY))
        await self._receipts.sweep(_RECEIPTS_WAIT, _RECEIPTS_GIVE_UP)
        await self._tallies.keep_up()
        await self._audit.link()
        await self._heads.sign(now)
        if self._rounds % 12 == 0:
            await self._keys.forget(now)
            await self._inbound.complete(now)
        if self._rounds % 60 == 1:
            await self._rewrap()
        if self._rounds % 60 == 30:
            await self._rescue()
            await self._callers.step(now)
            await self._numbering.mend()
        self._rounds += 1
        await self._retention.round()

    async def _rewrap(self) -> None:
        """Wrap all keys of the vault by the settings' first key."""
        if strange := await self._vault.rewrap():
            log.error(
                "vault-keys-unusable",
                keys=strange,
                advice="add the key that wraps them to vault.old_keys",
            )

    async def _rescue(self) -> None:
        now = self._clock()
        if rescued := await self._rows.rescue(now - LIFETIME - timedelta(days=1), now):
            log.error("deliveries-without-job", rescued=rescued)

    async def report(self, worker_id: UUID, health: Health) -> None:
        await self._rows.report(worker_id, health)

    async def sign_off(self, worker_id: UUID) -> None:
        await self._rows.sign_off(worker_id)
