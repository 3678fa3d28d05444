"""The pool of connections, and the check of a server before it is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

import asyncpg
import orjson
import structlog

from utskick.domain.errors import DatabaseFault, Unavailable
from utskick.store import migrations
from utskick.store.clock import EVERY, DatabaseClock
from utskick.store.connection import ConnectionLost, ServiceConnection
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.vault import Vault
from utskick.store.deadline import LIMIT, Deadline
from utskick.store.tenant import Tenant, lower

log = structlog.get_logger(__name__)

#: Faults of the database and of the way to it. Of PostgreSQL's own (appendix A of its manual):
#: class 08, 28 and 3D000 (a login or a database that is being changed), 40, 53 (disk, memory,
#: connections), 55P03 (a lock that was not to be had in time), 57 (shut down, cancelled), 58 (input
#: and output), a session or a plan that has become invalid, and a database that can only be read,
#: as a standby before it is promoted or a hosted one whose disk is full.
FAULTS = (
    ConnectionLost,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)

#: Faults after which the same statement may succeed a moment later. Nothing was written, or it is
#: not known whether.
PASSING = (OSError, TimeoutError, *FAULTS)

#: Those that say that it took too long.
_LATE: Final = (TimeoutError, asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)

Connection = asyncpg.pool.PoolConnectionProxy

#: Planner settings of every connection: where an index can find the rows, it is used in its own
#: order, whatever the statistics say (docs/explanation/adr/0012). jit: servers before 18 mark what
#: is switched off by a cost so high that they would compile the statement.
PLANNER: Final = """
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_mergejoin = off; SET jit = off
"""
#: For a transaction that reports on many rows, with values that decide how they are best read.
REPORTING: Final = """
SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; SET LOCAL enable_mergejoin = on;
SET LOCAL plan_cache_mode = force_custom_plan
"""


class ConnectionGuard(Protocol):
    """A check of new connections."""

    async def inspect(self, connection: Any) -> None:
        """Return where the connection may be used. Raises one of ``FAULTS`` where not."""
        ...


class Database:
    """A pool to one PostgreSQL, and the vault for personal data.

    ``limit``: seconds that a request may use the database at a time, and (less a fifth, so that the
    server is the first to give up) that any statement waits for a lock. None: as long as it takes.
    ``guard``: checks every new connection before it is used.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 12,
        vault: Vault | None = None,
        limit: float | None = None,
        guard: ConnectionGuard | None = None,
    ) -> None:
        self.url = url
        self.vault = vault or Vault()
        self.limit = limit
        self.clock = DatabaseClock()
        self._guard = guard
        self._size = size
        self._pool: asyncpg.Pool | None = None
        self._requests: asyncpg.Pool | None = None

    @property
    def pool(self) -> asyncpg.Pool:
        """The pool of the engine, whose statements concern many municipalities at once."""
        assert self._pool is not None, "the database has not been opened"
        return self._pool

    def of(self, municipality_id: str) -> Tenant:
        """Return access to the rows of one municipality, enforced by PostgreSQL."""
        assert self._requests is not None, "the database has not been opened"
        return Tenant(self._requests, municipality_id)

    async def open(self) -> None:
        """Connect and check. Raises ``DatabaseFault`` with a sentence that says what to do."""
        try:
            self._pool = await self._connect(self._prepare, least=1)
            await self._check()
            self._requests = await self._connect(self._prepare_for_requests, least=0)
        except (*PASSING, asyncpg.PostgresError, ValueError) as fault:
            await self.close()
            raise DatabaseFault(f"the database cannot be used: {fault}") from fault
        except DatabaseFault:
            await self.close()
            raise

    async def _connect(
        self, init: Callable[[Any], Coroutine[Any, Any, None]], *, least: int
    ) -> asyncpg.Pool:
        pool: asyncpg.Pool = await asyncpg.create_pool(
            self.url,
            min_size=least,
            max_size=self._size,
            init=init,
            reset=_keep,
            command_timeout=120,
            max_inactive_connection_lifetime=300,
            connection_class=ServiceConnection,
        )
        return pool

    async def _prepare(self, connection: Any) -> None:
        # Not at the connection's start: a pooler between would refuse what it does not know.
        limit = f"; SET lock_timeout = {int(self.limit * 800)}" if self.limit else ""
        await _prepare(connection, PLANNER + limit)
        if self._guard is not None:
            await self._guard.inspect(connection)

    async def _prepare_for_requests(self, connection: Any) -> None:
        await self._prepare(connection)
        await lower(connection)

    async def _check(self) -> None:
        async with self.pool.acquire() as connection:
            server = connection.get_server_version()
            if server.major < migrations.OLDEST:
                raise DatabaseFault(
                    f"PostgreSQL {migrations.OLDEST} or later is needed; this is "
                    f"{server.major}.{server.minor}"
                )
            found = None
            if await connection.fetchval("SELECT to_regclass('alembic_version')"):
                found = await connection.fetchval("SELECT version_num FROM alembic_version")
            migrations.check(found)
            await self.clock.check(connection)
        if self.vault.locks:
            try:
                await self.vault.open_with(self.pool)
            except Locked:
                raise DatabaseFault(
                    "the vault key is not the one that this database was encrypted with. Restore "
                    "it (vault.key in the data folder, or the settings), or name it in "
                    "vault.old_keys when it was replaced on purpose; after a restored backup, "
                    "restore the tables vault_keys and vault_wraps too"
                ) from None

    async def close(self) -> None:
        for pool in (self._requests, self._pool):
            if pool is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(pool.close(), 10)
                pool.terminate()
        self._requests = self._pool = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection

    async def keep_time(self) -> None:
        """Check the clock every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            with suppress(*PASSING):  # it counts on by itself
                await self.clock.check(self.pool)
                self.clock.is_right()

    async def listen(
        self,
        channel: str,
        hear: Callable[[str], None],
        missed: Callable[[], None],
        *,
        ask_every: float = 30.0,
    ) -> None:
        """Listen for NOTIFY until cancelled.

        ``missed`` is called after every (re)connection, since anything may have been notified
        meanwhile. A connection that a firewall has dropped looks idle; so the server is queried
        every ``ask_every`` seconds.
        """
        while True:
            connection: asyncpg.Connection | None = None
            try:
                connection = await asyncpg.connect(self.url)
                lost = asyncio.Event()
                connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                await connection.add_listener(
                    channel, lambda _c, _p, _ch, payload: hear(str(payload))
                )
                missed()
                while not await _happens(lost, ask_every):
                    await connection.execute("SELECT 1", timeout=ask_every)
            except (*PASSING, asyncpg.PostgresError) as fault:
                log.warning("listening-interrupted", channel=channel, fault=type(fault).__name__)
                await asyncio.sleep(0.3)
            finally:
                if connection is not None:
                    connection.terminate()


async def _happens(event: asyncio.Event, within: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), within)
    return event.is_set()


def unavailable(fault: Exception) -> Unavailable:
    """Return the error of a call that met a fault of the database (one of ``PASSING``)."""
    if isinstance(fault, asyncpg.DiskFullError):
        return Unavailable(
            "the database's disk is full; nothing was accepted", headers={"Retry-After": "60"}
        )
    if isinstance(fault, asyncpg.ReadOnlySQLTransactionError):
        sentence = "the database can only be read now"
    elif isinstance(
        fault, TimeoutError | asyncpg.LockNotAvailableError | asyncpg.QueryCanceledError
    ):
        sentence = "the database did not answer in time"
    else:
        sentence = "the database cannot be reached"
    log.warning("request-without-database", fault=type(fault).__name__)
    return Unavailable(
        f"{sentence}; try again, with an Idempotency-Key", headers={"Retry-After": "5"}
    )


@asynccontextmanager
async def answering(more: float = 0.0) -> AsyncIterator[None]:
    """Turn a database that is down, full or blocked into an error that a client can act on.

    Within a request the block has the time of ``http.database_timeout`` (``LIMIT``), and ``more``
    seconds where it has much to do.
    """
    limit = LIMIT.get()
    try:
        async with Deadline(limit + more if limit is not None else None):
            yield
    except PASSING as fault:
        raise unavailable(fault) from fault


async def _keep(connection: Any) -> None:
    """Skip the reset between two users of a connection.

    None leaves anything in the session, and a reset costs a round trip.
    """


async def _prepare(connection: Any, settings: str) -> None:
    await connection.execute(settings)
    await connection.set_type_codec(
        "jsonb",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda raw: orjson.loads(raw[1:]),
        schema="pg_catalog",
        format="binary",
    )
