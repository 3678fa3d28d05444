"""Data keys as rows.

Each is made once, wrapped by every key of the settings, and never made anew after it was destroyed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import asyncpg

#: (municipality, period)
KeyPlace = tuple[str, str]

#: The period of a municipality's lasting key.
INDEX: Final = "index"
#: Prefix of the periods of the directory's keys, which are of municipality "".
PEOPLE: Final = "people-"
#: Prefix of the periods of the keys of callers in the audit log: ``callers-2026-01``.
CALLERS: Final = "callers-"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A data key.

    ``wraps``: the wrapped key, by the name of the settings' key that wraps it; empty where it was
    destroyed.
    """

    place: KeyPlace
    created: datetime
    destroyed: datetime | None
    wraps: Mapping[str, bytes] = field(default_factory=dict)


_SELECT: Final = """
    SELECT k.municipality_id, k.period, k.created_at, k.destroyed_at, w.wrapped_by, w.wrapped
    FROM vault_keys k LEFT JOIN vault_wraps w USING (municipality_id, period)
"""


class VaultKeys:
    """Reader and writer of data keys.

    Every statement is a transaction of its own: a key that encrypts anything is on disk before.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def some(self, places: Collection[KeyPlace]) -> list[KeyRow]:
        """Return those of these places that exist."""
        rows = await self._pool.fetch(
            f"{_SELECT} JOIN unnest($1::text[], $2::text[]) AS p(municipality_id, period) USING "
            "(municipality_id, period)",
            [municipality_id for municipality_id, _ in places],
            [period for _, period in places],
        )
        return _key_rows(rows)

    async def of_people(self) -> list[KeyRow]:
        return _key_rows(
            await self._pool.fetch(
                f"{_SELECT} WHERE municipality_id = '' AND period LIKE '{PEOPLE}%' ORDER BY period"
            )
        )

    async def all(self) -> list[KeyRow]:
        """Return all keys, by municipality and period."""
        return _key_rows(
            await self._pool.fetch(f"{_SELECT} ORDER BY municipality_id, period, wrapped_by")
        )

    async def check(self) -> bytes | None:
        """Return the check value that the directory's key encrypted; None: the database is new."""
        found: bytes | None = await self._pool.fetchval("SELECT sealed FROM vault_check")
        return found

    async def set_check(self, sealed: bytes) -> None:
        await self._pool.execute(
            "INSERT INTO vault_check (one, sealed) VALUES (true, $1)"
            " ON CONFLICT (one) DO UPDATE SET sealed = excluded.sealed",
            sealed,
        )

    async def make(self, place: KeyPlace, wraps: Mapping[str, bytes]) -> None:
        """Add a key. Where several processes add it at once, the first one counts."""
        await self._pool.execute(
            """
            WITH made AS (
                INSERT INTO vault_keys (municipality_id, period, created_at)
                    VALUES ($1, $2, now()) ON CONFLICT DO NOTHING
                RETURNING municipality_id, period)
            INSERT INTO vault_wraps (municipality_id, period, wrapped_by, wrapped)
            SELECT municipality_id, period, w.* FROM made
                CROSS JOIN unnest($3::text[], $4::bytea[]) AS w
            """,
            *place,
            list(wraps),
            list(wraps.values()),
        )

    async def wrap(self, place: KeyPlace, wrapped_by: str, wrapped: bytes) -> None:
        """Wrap a key by another key of the settings, unless it has been destroyed meanwhile."""
        await self._pool.execute(
            """
            INSERT INTO vault_wraps (municipality_id, period, wrapped_by, wrapped)
            SELECT municipality_id, period, $3, $4 FROM vault_keys
            WHERE municipality_id = $1 AND period = $2 AND destroyed_at IS NULL FOR UPDATE
            ON CONFLICT DO NOTHING
            """,
            *place,
            wrapped_by,
            wrapped,
        )

    async def unwrapped_by(self, name: str) -> list[KeyRow]:
        """Return the keys that this key of the settings does not wrap."""
        rows = await self._pool.fetch(
            f"""
            {_SELECT} WHERE k.destroyed_at IS NULL AND NOT EXISTS (
                SELECT FROM vault_wraps o WHERE o.municipality_id = k.municipality_id
                    AND o.period = k.period AND o.wrapped_by = $1)
            """,
            name,
        )
        return _key_rows(rows)

    async def keep_only(self, name: str) -> int:
        """Remove what other keys wrap, where this one does too. Returns how many."""
        done = await self._pool.execute(
            """
            DELETE FROM vault_wraps w USING vault_wraps o
            WHERE w.wrapped_by <> $1 AND o.wrapped_by = $1
                AND o.municipality_id = w.municipality_id AND o.period = w.period
            """,
            name,
        )
        await self.clear()
        return int(done.split()[-1])

    async def destroy(self, connection: Any, place: KeyPlace) -> bool:
        """Destroy a key for good, inside the caller's transaction; ``clear`` must follow.

        False: there was none, or it had been destroyed.
        """
        done = await connection.fetchval(
            """
            WITH k AS (
                UPDATE vault_keys SET destroyed_at = now() WHERE municipality_id = $1
                    AND period = $2 AND destroyed_at IS NULL
                RETURNING municipality_id, period),
            w AS (DELETE FROM vault_wraps w USING k WHERE w.municipality_id = k.municipality_id
                AND w.period = k.period)
            SELECT true FROM k
            """,
            *place,
        )
        return bool(done)

    async def clear(self) -> bool:
        """Rewrite the table: a deleted row stays in its page until it is overwritten.

        Then force a checkpoint and a new segment of the WAL, where this login may: standbys and
        archives get the destruction at once, and segments from before can be removed. Returns
        whether it may.
        """
        await self._pool.execute("VACUUM (FULL) vault_wraps")
        for statement in ("SELECT pg_switch_wal()", "CHECKPOINT"):
            try:
                await self._pool.execute(statement)
            except asyncpg.InsufficientPrivilegeError:
                return False
        return True


def _key_rows(rows: Collection[Any]) -> list[KeyRow]:
    wraps: defaultdict[KeyPlace, dict[str, bytes]] = defaultdict(dict)
    found: dict[KeyPlace, KeyRow] = {}
    for row in rows:
        place = row["municipality_id"], row["period"]
        found[place] = KeyRow(place, row["created_at"], row["destroyed_at"], wraps[place])
        if row["wrapped_by"] is not None:
            wraps[place][row["wrapped_by"]] = row["wrapped"]
    return list(found.values())
