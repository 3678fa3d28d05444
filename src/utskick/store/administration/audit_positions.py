"""How far the audit log has been delivered elsewhere, by municipality."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from utskick.domain.audit_heads import SignedHead
from utskick.store.administration.audit_heads import AuditHeads, linked_entries
from utskick.store.database import Database
from utskick.store.tenant import places

#: Entries that are delivered at a time.
_STRIDE: Final = 500


@dataclass(frozen=True, slots=True)
class Waiting:
    """What has not been delivered: entries with their links, and heads."""

    entries: list[dict[str, Any]]
    heads: list[SignedHead]


class AuditPositions:
    """Reader and mover of positions; one that delivers a municipality's log keeps others out."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heads = AuditHeads(database)

    async def places(self) -> list[str]:
        """Return the municipalities that have entries in their chains."""
        rows = await self._database.pool.fetch(places("audit_links"))
        return [row["municipality_id"] for row in rows]

    async def fault(self, municipality_id: str) -> str | None:
        """Return why the last delivery failed, None where it did not."""
        found: str | None = await self._database.pool.fetchval(
            "SELECT fault FROM audit_positions WHERE municipality_id = $1", municipality_id
        )
        return found

    async def step(
        self, municipality_id: str, deliver: Callable[[Waiting], Awaitable[str | None]]
    ) -> bool:
        """Deliver some of what waits, and move the position where that went well.

        ``deliver`` returns why it failed. True: there may be more.
        """
        async with self._database.pool.acquire() as connection:
            key = f"audit syslog {municipality_id}"
            lock = "SELECT pg_try_advisory_lock(hashtextextended($1, 2))"
            if not await connection.fetchval(lock, key):
                return False
            try:
                return await self._step(connection, municipality_id, deliver)
            finally:
                await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 2))", key)

    async def _step(
        self,
        connection: Any,
        municipality_id: str,
        deliver: Callable[[Waiting], Awaitable[str | None]],
    ) -> bool:
        row = await connection.fetchrow(
            """
            INSERT INTO audit_positions (municipality_id) VALUES ($1)
            ON CONFLICT (municipality_id) DO UPDATE SET municipality_id = excluded.municipality_id
            RETURNING number, nullif(head, '-infinity') AS head
            """,
            municipality_id,
        )
        entries = await linked_entries(connection, municipality_id, row["number"], _STRIDE)
        heads = await self._heads.of(municipality_id, *([row["head"]] if row["head"] else []))
        if not entries and not heads:
            return False
        fault = await deliver(Waiting(entries, heads))
        if fault is not None:
            await connection.execute(
                "UPDATE audit_positions SET fault = $2, since = coalesce(since, now())"
                " WHERE municipality_id = $1",
                municipality_id,
                fault,
            )
            return False
        await connection.execute(
            "UPDATE audit_positions SET number = $2, head = coalesce($3, head), fault = NULL,"
            " since = NULL WHERE municipality_id = $1",
            municipality_id,
            entries[-1]["number"] if entries else row["number"],
            heads[-1].day if heads else None,
        )
        return len(entries) == _STRIDE
