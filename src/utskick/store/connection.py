"""Connections of the pools: what a dying one raises is a fault of the connection."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg

#: asyncpg's attribute with the socket.
_TRANSPORT: Final = "_transport"


class ConnectionLost(Exception):
    """The connection died during a statement, whatever its client library raised.

    It is not known whether the statement was carried out.
    """


class ServiceConnection(asyncpg.Connection):
    """A connection whose end is always reported as ``ConnectionLost`` or by asyncpg's own class.

    A statement that runs while the server ends the session raises what the part of the client
    happened to meet: ``RuntimeError`` of a closed transport (uvloop), ``AttributeError``, or
    ``InternalClientError`` for a message that does not fit the protocol's state. After the last the
    connection is terminated, as the pool would hand it out again.
    """

    async def execute(self, *args: Any, **options: Any) -> Any:
        """Execute as asyncpg does."""
        try:
            return await super().execute(*args, **options)
        except Exception as fault:
            raise self._seen(fault) from fault

    async def executemany(self, *args: Any, **options: Any) -> Any:
        """Execute as asyncpg does."""
        try:
            return await super().executemany(*args, **options)
        except Exception as fault:
            raise self._seen(fault) from fault

    async def fetch(self, *args: Any, **options: Any) -> Any:
        """Fetch as asyncpg does."""
        try:
            return await super().fetch(*args, **options)
        except Exception as fault:
            raise self._seen(fault) from fault

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        """Fetch as asyncpg does."""
        try:
            return await super().fetchrow(*args, **options)
        except Exception as fault:
            raise self._seen(fault) from fault

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        """Fetch as asyncpg does."""
        try:
            return await super().fetchval(*args, **options)
        except Exception as fault:
            raise self._seen(fault) from fault

    async def copy_records_to_table(self, *args: Any, **options: Any) -> Any:
        """Copy as asyncpg does."""
        try:
            return await super().copy_records_to_table(*args, **options)
        except Exception as fault:
            raise self._seen(fault) from fault

    def _seen(self, fault: Exception) -> Exception:
        """Return the fault to raise: of the connection where that is dead, else the same."""
        if isinstance(fault, asyncpg.PostgresError):
            return fault
        if isinstance(fault, asyncpg.InternalClientError):
            self.terminate()
        elif not (self.is_closed() or self._is_ending()):
            return fault
        return ConnectionLost(f"{type(fault).__name__}: {fault}")

    def _is_ending(self) -> bool:
        """Return whether the socket is closed, and the connection not told of it yet."""
        transport: asyncio.Transport | None = getattr(self, _TRANSPORT, None)
        return transport is not None and transport.is_closing()
