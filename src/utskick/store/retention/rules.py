"""Retention rules as rows.

They change while nothing is removed: a purge holds the municipality's lock.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from utskick.domain.audit import AuditEntry
from utskick.domain.retention import RetentionRule, Rules
from utskick.domain.unit import Unit
from utskick.store.administration.audit import keep
from utskick.store.database import Connection, Database


async def try_lock(connection: Connection, municipality_id: str) -> bool:
    """Return whether this transaction alone may now remove something of the municipality."""
    return bool(
        await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))",
            f"retention {municipality_id}",
        )
    )


async def lock(connection: Connection, municipality_id: str) -> None:
    """Wait until no purge of the municipality runs: later ones obey what is decided after this."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"retention {municipality_id}"
    )


class RetentionRules:
    """Reader and writer of rules. Every statement is bound to a municipality.

    ``defaults``: those of the settings.
    """

    def __init__(self, database: Database, defaults: Collection[RetentionRule]) -> None:
        self._database = database
        self._defaults = defaults

    async def of(self, municipality_id: str, connection: Any = None) -> Rules:
        """Return the municipality's rules and those of the settings."""
        rows = await (connection or self._database.of(municipality_id)).fetch(
            """
            SELECT message_type, days, decision, set_by, set_at, municipality_id,
                organization_number, department FROM retention_rules
            WHERE municipality_id = $1 ORDER BY organization_number, department, message_type
            """,
            municipality_id,
        )
        return Rules((_rule(row) for row in rows), self._defaults)

    async def put(self, rule: RetentionRule, change: AuditEntry) -> bool:
        """Insert or replace a rule; one without a unit applies to the whole municipality.

        True: it is new; False: it replaced another.
        """
        municipality_id = change.municipality_id
        unit = rule.unit or Unit(municipality_id)
        async with self._database.of(municipality_id).transaction() as connection:
            await lock(connection, municipality_id)
            added = await connection.fetchval(
                """
                INSERT INTO retention_rules (municipality_id, message_type, days, decision, set_by,
                    set_at, organization_number, department)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (municipality_id, organization_number, department,
                    message_type) DO UPDATE SET days = excluded.days,
                    decision = excluded.decision, set_by = excluded.set_by, set_at = excluded.set_at
                RETURNING xmax = 0
                """,
                municipality_id,
                rule.message_type,
                rule.days,
                rule.decision,
                rule.set_by,
                rule.set_at,
                unit.organization_number or "",
                unit.department or "",
            )
            await forget_places(connection, municipality_id)
            await keep(connection, [change])
        return bool(added)

    async def delete(self, unit: Unit, message_type: str, change: AuditEntry) -> bool:
        """Delete a rule. False: there was none."""
        async with self._database.of(unit.municipality_id).transaction() as connection:
            await lock(connection, unit.municipality_id)
            done = await connection.execute(
                """
                DELETE FROM retention_rules
                WHERE municipality_id = $1 AND message_type = $2 AND organization_number = $3
                    AND department = $4
                """,
                unit.municipality_id,
                message_type,
                unit.organization_number or "",
                unit.department or "",
            )
            if done != "DELETE 1":
                return False
            await forget_places(connection, unit.municipality_id)
            await keep(connection, [change])
        return True


async def forget_places(connection: Connection, municipality_id: str) -> None:
    """Start sweeps from the beginning: what was passed over is judged again."""
    await connection.execute(
        "DELETE FROM retention_places WHERE municipality_id = $1", municipality_id
    )


def _rule(row: Any) -> RetentionRule:
    unit = Unit(
        row["municipality_id"], row["organization_number"] or None, row["department"] or None
    )
    return RetentionRule(
        row["message_type"], row["days"], row["decision"], row["set_by"], row["set_at"], unit
    )
