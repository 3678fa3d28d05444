"""Which database this is, and how far it had come when it was seen last.

A counter in the database (``ticks``) goes up every few seconds while the service runs, and each
node keeps the last value it saw beside its data. A database that is behind a node's value has lost
what was committed in between.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

log = structlog.get_logger(__name__)

_OBSERVE: Final = """
    SELECT {system} AS system, d.oid::bigint AS database,
        CASE WHEN pg_is_in_recovery() THEN 0
            ELSE ('x' || substring(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
            END AS timeline,
        pg_is_in_recovery() AS standby,
        current_setting('synchronous_standby_names') <> ''
            AND current_setting('synchronous_commit') IN ('on', 'remote_apply') AS synchronous,
        to_regclass('installation') IS NOT NULL AS known
    FROM pg_database d WHERE d.datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the server says of itself.

    ``system``: the identifier of the cluster, which a copy of its files keeps and a restored dump
    does not; 0 where this user may not read it. ``timeline``: grows with every promotion and every
    recovery to a point in time. ``known``: the schema has the table of this module.
    """

    system: int
    database: int
    timeline: int
    standby: bool
    synchronous: bool
    known: bool


async def observe(connection: Any) -> Observed:
    """Ask the server."""
    may = await connection.fetchval(
        "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
    )
    system = "(SELECT system_identifier FROM pg_control_system())" if may else "0::bigint"
    return Observed(**dict(await connection.fetchrow(_OBSERVE.format(system=system))))


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the database says of itself: the row that went with it into every backup."""

    incarnation: UUID
    system: int
    database: int
    timeline: int
    synchronous: bool
    ticks: int
    seen_at: datetime


async def remembered(connection: Any) -> Remembered | None:
    """Return the row of ``installation``; None: the service has not been started on it."""
    row = await connection.fetchrow(
        "SELECT incarnation, system_identifier AS system, database_oid::bigint AS database,"
        " timeline, synchronous, ticks, seen_at FROM installation"
    )
    return Remembered(**dict(row)) if row is not None else None


@dataclass(frozen=True, slots=True)
class Marker:
    """What a node saw last."""

    system: int
    database: int
    incarnation: UUID
    ticks: int
    seen_at: datetime

    def concerns(self, found: Observed) -> bool:
        """Return whether it was seen of this database, and not of another one at its address."""
        return (self.system, self.database) == (found.system, found.database)


class MarkerFile:
    """The marker of this node, beside its data; kept in memory where there is no such folder."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.last = self._read()

    def _read(self) -> Marker | None:
        try:
            found = orjson.loads(self._path.read_bytes()) if self._path is not None else None
            return found and Marker(
                found["system"],
                found["database"],
                UUID(found["incarnation"]),
                found["ticks"],
                datetime.fromisoformat(found["seen_at"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as fault:
            log.warning("restore-marker-unreadable", fault=type(fault).__name__)
            return None

    def keep(self, marker: Marker) -> None:
        """Keep the marker. A file that cannot be written is logged once."""
        self.last = marker
        if self._path is None:
            return
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(orjson.dumps(asdict(marker), default=str))
            partial.replace(self._path)
        except OSError as fault:
            self._path = None
            log.warning("restore-marker-not-written", fault=type(fault).__name__)
