"""Row-level security: requests see the rows of one municipality, enforced by PostgreSQL.

Every statement names its municipality all the same; this is the second check, for a statement that
does not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import asyncpg


def places(table: str) -> str:
    """Return SQL for the municipalities of a table, one row for each.

    It goes from one entry of an index that begins with the municipality to the next, however many
    rows there are.
    """
    return f"""
        WITH RECURSIVE found AS (
            (SELECT municipality_id FROM {table} ORDER BY municipality_id LIMIT 1)
            UNION ALL
            SELECT (SELECT n.municipality_id FROM {table} n
                WHERE n.municipality_id > found.municipality_id ORDER BY 1 LIMIT 1)
            FROM found WHERE found.municipality_id IS NOT NULL)
        SELECT municipality_id FROM found WHERE municipality_id IS NOT NULL
    """  # noqa: S608


#: The role of requests. It owns nothing, and sees the rows whose municipality is the session's.
ROLE: Final = "utskick_requests"
#: The setting with the session's municipality, in the policies of the schema.
VARIABLE: Final = "utskick.municipality"

_BIND: Final = f"SELECT set_config('{VARIABLE}', $1, false)"


class Tenant:
    """A pool bound to a municipality.

    Each call borrows a connection, binds it to the municipality, and returns it.
    """

    def __init__(self, pool: asyncpg.Pool, municipality_id: str) -> None:
        self._pool = pool
        self._municipality_id = municipality_id

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self._pool.acquire() as connection:
            await connection.execute(_BIND, self._municipality_id)
            yield connection

    @asynccontextmanager
    async def transaction(
        self, isolation: Literal["repeatable_read"] | None = None, *, readonly: bool = False
    ) -> AsyncIterator[Any]:
        async with (
            self.acquire() as connection,
            connection.transaction(isolation=isolation, readonly=readonly),
        ):
            yield connection

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        async with self.acquire() as connection:
            return list(await connection.fetch(statement, *values))

    async def fetchrow(self, statement: str, *values: Any) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchrow(statement, *values)

    async def fetchval(self, statement: str, *values: Any) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchval(statement, *values)

    async def execute(self, statement: str, *values: Any) -> str:
        async with self.acquire() as connection:
            return str(await connection.execute(statement, *values))


async def lower(connection: Any) -> None:
    """Set a connection to the role of requests.

    It sees nothing until it is bound to a municipality.
    """
    await connection.execute(f"SET ROLE {ROLE}")
