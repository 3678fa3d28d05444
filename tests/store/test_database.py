"""NOTIFY from the database, also over a connection that has died silently."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest

from tests.conftest import open_folder
from utskick.domain.errors import DatabaseFault, Unavailable
from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database, answering
from utskick.store.deadline import LIMIT, Deadline


class Line:
    """A proxy in front of the server. ``cut``: connections pass nothing on, silently."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self._pumps: set[asyncio.Task[None]] = set()
        self.writers: list[asyncio.StreamWriter] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_unix_connection(
            f"{self._behind}/.s.PGSQL.5432"
        )
        self.writers += [writer, other_writer]
        self._pumps |= {
            asyncio.create_task(_pump(reader, other_writer)),
            asyncio.create_task(_pump(other_reader, writer)),
        }

    def cut(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        self._pumps.clear()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)


@pytest.fixture
async def line(database: Database) -> AsyncIterator[tuple[Line, Database]]:
    url, _, behind = database.url.partition("?host=")
    front = open_folder("utskick-line.")
    line = Line(behind)
    server = await asyncio.start_unix_server(line.take, front / ".s.PGSQL.5432")
    yield line, Database(f"{url}?host={front}")
    server.close()
    line.cut()
    for writer in line.writers:
        writer.close()
    shutil.rmtree(front)


async def test_a_dead_connection_is_replaced_and_missed_notifications_are_queried(
    line: tuple[Line, Database], database: Database
) -> None:
    wire, behind_it = line
    connected, heard = asyncio.Queue[None](), asyncio.Queue[str]()
    listening = asyncio.create_task(
        behind_it.listen(
            "utskick_test", heard.put_nowait, lambda: connected.put_nowait(None), ask_every=0.1
        )
    )
    try:
        async with asyncio.timeout(10):
            await connected.get()
            wire.cut()
            await connected.get()
            await database.pool.execute("SELECT pg_notify('utskick_test', 'here')")
            assert await heard.get() == "here"
    finally:
        listening.cancel()


async def test_a_database_is_not_opened_with_another_key_than_it_was_encrypted_with(
    database: Database,
) -> None:
    """A lost key file would be made anew, and people entered twice beside unreadable rows."""
    with pytest.raises(DatabaseFault, match="vault key"):
        await Database(database.url, size=2, vault=Vault(Cipher([b"x" * 32]))).open()
    rotated = Database(database.url, size=2, vault=Vault(Cipher([b"x" * 32, bytes(32)])))
    await rotated.open()
    await rotated.close()


async def test_a_server_that_does_not_answer_is_left_in_time(
    line: tuple[Line, Database], database: Database
) -> None:
    """Its connections pass nothing on: neither the statement nor its cancellation ends."""
    wire, behind_it = line
    await behind_it.open()
    try:
        async with behind_it.pool.acquire() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        wire.cut()
        LIMIT.set(0.3)
        async with asyncio.timeout(30):
            with pytest.raises(Unavailable, match="in time"):
                async with answering():
                    await behind_it.pool.fetchval("SELECT 1")
            async with answering(more=20):  # over a new connection
                assert await behind_it.pool.fetchval("SELECT 2") == 2
    finally:
        behind_it.pool.terminate()


async def test_a_deadline_leaves_a_cancellation_by_others_alone() -> None:
    async def waits() -> None:
        async with Deadline(60):
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_deadline_keeps_a_fault_that_came_first() -> None:
    with pytest.raises(ValueError, match="first"):
        async with Deadline(60):
            raise ValueError("first")
