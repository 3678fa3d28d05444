"""A database with a new vault, and several processes with keys of their own on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database

TABLES = "vault_keys, vault_wraps, vault_check"
OLD, NEW = bytes(range(32)), bytes(range(32, 64))


async def empty(url: str, tables: str = TABLES) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"SET session_replication_role = replica; TRUNCATE {tables}")
    finally:
        await connection.close()


@asynccontextmanager
async def process(
    url: str, keys: Sequence[bytes] = (OLD,), *, trusted: float = 60.0
) -> AsyncIterator[Database]:
    """Open the database. ``keys``: of its settings, the first and the old ones."""
    database = Database(url, size=4, vault=Vault(Cipher(keys), trusted=trusted))
    await database.open()
    try:
        yield database
    finally:
        await database.close()
