"""Configuration as rows: the values of units for sections.

Values are encrypted whole, since they may hold passwords and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import orjson
import structlog

from utskick.domain.audit import AuditEntry
from utskick.domain.configuration import CHANGED, UnitSetting
from utskick.domain.unit import Unit
from utskick.store.administration.audit import keep, sealed
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.vault import Vault
from utskick.store.database import Connection, Database

log = structlog.get_logger(__name__)

_COLUMNS: Final = "municipality_id, organization_number, department, section, value, set_by, set_at"

#: The state of the table as one value: a removed row lowers the number, a written one raises the
#: last change.
_STAMP: Final = "SELECT count(*) || '/' || coalesce(max(change), 0) FROM configuration"

#: The present row (None: none) → the new row (None: none). May raise to change nothing.
Change = Callable[[UnitSetting | None], UnitSetting | None]


class Rows(NamedTuple):
    """The configuration. ``unreadable``: unit and section of those that cannot be decrypted."""

    said: Sequence[UnitSetting] = ()
    unreadable: Sequence[tuple[Unit, str]] = ()


class ConfigurationRows:
    """Reader and writer of configuration.

    ``all`` and ``stamp`` are the engine's; every other statement is bound to a municipality.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stamp(self) -> str:
        """Return a value that differs when anything has changed."""
        found: str = await self._database.pool.fetchval(_STAMP)
        return found

    async def all(self) -> Rows:
        return await read_all(self._database.pool, self._database.vault)

    async def change(self, unit: Unit, section: str, change: Change, audit: AuditEntry) -> None:
        """Change a row, one at a time in a municipality, and notify every process on commit."""
        audit = await sealed(self._database.vault, audit)
        async with self._database.of(unit.municipality_id).transaction() as connection:
            await _lock(connection, unit.municipality_id)
            row = await connection.fetchrow(
                f"""
                SELECT {_COLUMNS} FROM configuration
                WHERE municipality_id = $1 AND organization_number = $2 AND department = $3
                    AND section = $4
                """,  # noqa: S608
                *_key(unit),
                section,
            )
            after = change(_readable(row, self._database.vault) if row is not None else None)
            if after is None:
                await connection.execute(
                    """
                    DELETE FROM configuration
                    WHERE municipality_id = $1 AND organization_number = $2 AND department = $3
                        AND section = $4
                    """,
                    *_key(unit),
                    section,
                )
            else:
                await self._put(connection, after)
            await keep(connection, [audit])
            await connection.execute("SELECT pg_notify($1, '')", CHANGED)

    async def _put(self, connection: Connection, setting: UnitSetting) -> None:
        sealed = self._database.vault.encrypt(
            setting.unit.municipality_id, orjson.dumps(dict(setting.value))
        )
        await connection.execute(
            f"""
            INSERT INTO configuration ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (municipality_id, organization_number, department, section) DO UPDATE
                SET value = excluded.value,
                set_by = excluded.set_by, set_at = excluded.set_at,
                    change = nextval('configuration_changes')
            """,  # noqa: S608
            *_key(setting.unit),
            setting.section,
            sealed,
            setting.set_by,
            setting.set_at,
        )


async def read_all(reader: Any, vault: Vault) -> Rows:
    """Return all rows. ``reader``: a pool or a connection that sees all municipalities."""
    found, unreadable = list[UnitSetting](), list[tuple[Unit, str]]()
    for row in await reader.fetch(f"SELECT {_COLUMNS} FROM configuration ORDER BY 1, 2, 3, 4"):  # noqa: S608
        setting = _readable(row, vault)
        if setting is not None:
            found.append(setting)
        else:
            log.error(
                "configuration-unreadable",
                municipality=row["municipality_id"],
                section=row["section"],
            )
            unreadable.append((_unit(row), row["section"]))
    return Rows(found, unreadable)


def _readable(row: Any, vault: Vault) -> UnitSetting | None:
    """Decrypt a row. None: it cannot be decrypted, and is ignored."""
    unit = _unit(row)
    try:
        value = orjson.loads(vault.decrypt(unit.municipality_id, row["value"]))
    except (Locked, ValueError):
        return None
    return UnitSetting(unit, row["section"], value, row["set_by"], row["set_at"])


async def _lock(connection: Connection, municipality_id: str) -> None:
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"configuration {municipality_id}"
    )


def _key(unit: Unit) -> tuple[str, str, str]:
    return unit.municipality_id, unit.organization_number or "", unit.department or ""


def _unit(row: Any) -> Unit:
    return Unit(
        row["municipality_id"], row["organization_number"] or None, row["department"] or None
    )
