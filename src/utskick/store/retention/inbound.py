"""Retention of inbound messages, by the municipality's own rule for their type, and erasure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from utskick.domain.retention import RetentionRule, Rules
from utskick.domain.unit import Unit
from utskick.store.database import Connection, Database
from utskick.store.retention.log import Cause, RetentionLogEntry, note
from utskick.store.retention.purge import RemovalCounts
from utskick.store.retention.rules import RetentionRules, try_lock
from utskick.store.tenant import places

_STEP: Final = 400


class InboundRetention:
    """Removes them in steps. They belong to no department, so no department's rule applies."""

    def __init__(self, database: Database, defaults: Collection[RetentionRule]) -> None:
        self._database = database
        self._rules = RetentionRules(database, defaults)

    async def places(self) -> list[str]:
        """Return the municipalities that have inbound messages."""
        rows = await self._database.pool.fetch(places("inbound_messages"))
        return [row["municipality_id"] for row in rows]

    async def step(self, municipality_id: str, now: datetime) -> RemovalCounts:
        """Remove some that are old enough."""
        removed = RemovalCounts()
        async with self._database.transaction() as connection:
            if not await try_lock(connection, municipality_id):
                return removed
            rules = await self._rules.of(municipality_id, connection)
            types = await connection.fetch(
                "SELECT DISTINCT message_type FROM inbound_messages WHERE municipality_id = $1",
                municipality_id,
            )
            for message_type in [row["message_type"] for row in types]:
                rule = rules.of(message_type, Unit(municipality_id))
                if rule is None or rule.preserves:
                    continue
                rows = await connection.fetch(
                    """
                    DELETE FROM inbound_messages WHERE id IN (
                        SELECT id FROM inbound_messages WHERE municipality_id = $1
                            AND message_type = $2 AND received_at < $3
                        ORDER BY received_at LIMIT $4)
                    RETURNING received_at
                    """,
                    municipality_id,
                    message_type,
                    rule.cutoff(now),
                    _STEP,
                )
                if not rows:
                    continue
                times = [row["received_at"] for row in rows]
                gone = RemovalCounts(messages=len(rows), oldest=min(times), newest=max(times))
                cause = Cause("retention", message_type, rule.days, rule.decision)
                await note(connection, municipality_id, RetentionLogEntry(now, cause, gone))
                removed += gone
        return removed


async def erase(
    connection: Connection, municipality_id: str, senders: Sequence[bytes], rules: Rules
) -> RemovalCounts:
    """Delete what came from these numbers, but for types that a rule preserves."""
    types = await connection.fetch(
        """
        SELECT message_type FROM inbound_messages WHERE municipality_id = $1
        UNION SELECT message_type FROM inbound_parts WHERE municipality_id = $1
        """,
        municipality_id,
    )
    going = []
    for message_type in [row["message_type"] for row in types]:
        rule = rules.of(message_type, Unit(municipality_id))
        if rule is None or not rule.preserves:
            going.append(message_type)
    times = []
    for table in ("inbound_parts", "inbound_messages"):
        rows = await connection.fetch(
            f"""
            DELETE FROM {table} WHERE municipality_id = $1 AND sender_key = ANY($2::bytea[])
                AND message_type = ANY($3::text[])
            RETURNING received_at
            """,  # noqa: S608
            municipality_id,
            senders,
            going,
        )
        times += [row["received_at"] for row in rows]
    if not times:
        return RemovalCounts()
    return RemovalCounts(messages=len(times), oldest=min(times), newest=max(times))
