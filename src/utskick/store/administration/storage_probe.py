"""Check of whether the database can store a message now."""

from __future__ import annotations

from time import monotonic
from typing import Final

import asyncpg
import structlog

from utskick.store.database import PASSING, Database

log = structlog.get_logger(__name__)

#: Seconds for which a result holds.
_EVERY: Final = 5.0

#: A file of its own is made and written (56 kB), so that a full disk shows even where the tables
#: have free space inside; the commit waits for the log. The locks are those that acceptance takes.
_PROBE: Final = """
    SET LOCAL lock_timeout = '1200ms';
    SET LOCAL statement_timeout = '1500ms';
    LOCK TABLE batches, messages, deliveries, events, pgqueuer, audit_entries
        IN ROW EXCLUSIVE MODE;
    TRUNCATE storage_probe;
    INSERT INTO storage_probe SELECT convert_to(repeat('-', 7000), 'UTF8')
        FROM generate_series(1, 8);
"""

_REASONS: Final = (
    (asyncpg.DiskFullError, "disk full"),
    (asyncpg.ReadOnlySQLTransactionError, "read-only"),
    (asyncpg.LockNotAvailableError, "a table is locked"),
    (asyncpg.QueryCanceledError, "no answer in time"),
    (TimeoutError, "no answer in time"),
)


class StorageProbe:
    """Probe of the storage; ``check`` costs one transaction every few seconds at the most."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checked = -_EVERY
        self._found: str | None = None

    async def check(self) -> str | None:
        """Return why nothing can be stored; None: it can."""
        if monotonic() - self._checked >= _EVERY:
            self._found = await self._probe()
            self._checked = monotonic() if self._found is None else -_EVERY
        return self._found

    async def _probe(self) -> str | None:
        try:
            async with self._database.transaction() as connection:
                await connection.execute(_PROBE)
        except PASSING as fault:
            return reason_of(fault)
        except asyncpg.InsufficientPrivilegeError as fault:
            # The tables belong to another user than the service's: the rest of the check is left.
            log.warning("storage-not-probed", fault=str(fault))
        return None


def reason_of(fault: Exception) -> str:
    """Return a fault of the database in words, without anything of the statement."""
    return next(
        (words for kind, words in _REASONS if isinstance(fault, kind)), type(fault).__name__
    )
