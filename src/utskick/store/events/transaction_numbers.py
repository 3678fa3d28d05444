"""Numbers of transactions after a restore.

A new cluster counts from the beginning, and new events and inbound messages would sort before old
ones.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import structlog

from utskick.store.database import Connection, Database
from utskick.store.tenant import places

log = structlog.get_logger(__name__)

_LOCK: Final = 7_318_302_583
#: The distance between old and new numbers: readers may have seen more than the dump holds.
_GAP: Final = 2**32

#: The number that the next transaction gets; the offset that is added to the server's own; the
#: largest stored number.
_LOOK: Final = f"""
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS own,
    utskick_complete_tx() - pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS added,
    greatest(
        (SELECT max((SELECT max(tx) FROM events e
            WHERE e.municipality_id = p.municipality_id)) FROM ({places("events")}) p),
        (SELECT max((SELECT max(tx) FROM audit_entries e
            WHERE e.municipality_id = p.municipality_id)) FROM ({places("audit_entries")}) p),
        (SELECT max((SELECT max(tx) FROM inbound_messages e
            WHERE e.municipality_id = p.municipality_id))
            FROM ({places("inbound_messages")}) p),
        (SELECT max(tx) FROM watermarks), (SELECT max(tx) FROM webhooks)) AS written
"""  # noqa: S608


class Numbering:
    """Corrects the numbers.

    ``mend`` is called when a worker starts, and periodically; any number of workers may do it at
    once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mend(self) -> int:
        """Raise the numbers where they would fall behind the stored ones.

        Returns by how much: 0 in all but the first start.
        """
        lag, _ = await _lag(self._database.pool)
        if lag < 0:
            return 0
        try:
            async with self._database.transaction() as connection:
                return await _raise(connection)
        except asyncpg.InsufficientPrivilegeError:
            log.error(
                "feed-out-of-order",
                remedy="start a worker once as the role that owns the functions utskick_tx"
                " and utskick_complete_tx",
            )
            return 0


async def _lag(connection: asyncpg.Pool | Connection) -> tuple[int, int]:
    """Return by how much the next number falls short, and the offset in use.

    Negative: it does not fall short.
    """
    row = await connection.fetchrow(_LOOK)
    assert row is not None
    written = row["written"] if row["written"] is not None else -1
    return written - row["own"] - row["added"], row["added"]


async def _raise(connection: Connection) -> int:
    """Raise the offset while no process writes an event or an inbound message.

    What was begun under the old numbers has ended, what waits gets a new one.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    await connection.execute("LOCK TABLE events, inbound_messages IN SHARE ROW EXCLUSIVE MODE")
    lag, added = await _lag(connection)
    if lag < 0:
        return 0
    raised = lag + _GAP
    for name, number in (
        ("utskick_tx", "pg_current_xact_id()"),
        ("utskick_complete_tx", "pg_snapshot_xmin(pg_current_snapshot())"),
    ):
        body = f"$$ SELECT {number}::text::bigint + {added + raised:d} $$"
        await connection.execute(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS bigint LANGUAGE sql STABLE AS {body}"
        )
    log.warning(
        "feed-numbers-raised",
        by=raised,
        reason="the database was restored into a cluster that counts from a lower number",
    )
    return raised
