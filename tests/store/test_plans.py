"""What a statement of the hot path reads does not depend on the server's statistics.

Each case first runs every statement seven times while the tables are nearly empty, so that
PostgreSQL keeps the plans that it then prefers, and only then lets the tables grow.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from tests.conftest import TABLES
from tests.store.plans import Counted, Flow, Read
from utskick.store import migrations
from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database

#: Rows of each table beside those of a step; messages of a step.
BACKGROUND, COUNT = 8000, 20
#: What a step may read: for each row of its own, and besides. How many pages are split depends on
#: the width of rows.
ROWS, BLOCKS = (8, 20), (28, 90)
#: All jobs, and all recent deliveries, are what this step is about.
WHOLE = {"rescue": 3}


@pytest.fixture
async def counted(server: str) -> AsyncIterator[Counted]:
    """An empty database of its own, without autovacuum."""
    front, _, behind = server.partition("?")
    owner = await asyncpg.connect(server)
    await owner.execute("DROP DATABASE IF EXISTS plans")
    await owner.execute("CREATE DATABASE plans")
    url = f"{front.rpartition('/')[0]}/plans?{behind}"
    migrations.migrate(url)
    watch = await asyncpg.connect(url)
    for table in TABLES.split(", "):
        await watch.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    database = Database(url, size=1, vault=Vault(Cipher([bytes(32)])))
    await database.open()
    yield Counted(database, watch)
    await database.close()
    await watch.close()
    await owner.execute("DROP DATABASE plans")
    await owner.close()


async def warm(counted: Counted) -> None:
    """Run every statement, often enough for the server to keep a plan."""
    for _ in range(7):
        await Flow(counted).run(1)


async def excess(counted: Counted) -> str:
    """Return the steps that read too much beside ``BACKGROUND`` rows, one to a line."""
    await Flow(counted).maintaining()  # the rows of the background are not counted
    counted.reads.clear()
    await Flow(counted).run(COUNT)
    return "\n".join(str(read) for read in counted.reads if too_much(read))


def too_much(read: Read) -> bool:
    more = WHOLE.get(read.step, 0) * BACKGROUND
    rows, blocks = (of_its_own * read.count + more + rest for of_its_own, rest in (ROWS, BLOCKS))
    return read.rows > rows or read.blocks > blocks


async def test_with_fresh_statistics(counted: Counted) -> None:
    await counted.fill(BACKGROUND)
    await counted.watch.execute("ANALYZE")
    await warm(counted)
    assert await excess(counted) == ""


async def test_without_statistics(counted: Counted) -> None:
    """As in a new installation before the first autoanalyze."""
    await counted.forget()
    await warm(counted)
    await counted.fill(BACKGROUND)
    assert await excess(counted) == ""


async def test_with_statistics_of_empty_tables(counted: Counted) -> None:
    await counted.watch.execute("ANALYZE")
    await warm(counted)
    await counted.fill(BACKGROUND)
    assert await excess(counted) == ""


async def test_with_statistics_of_tables_that_have_been_emptied(counted: Counted) -> None:
    """Pages without rows: the server assumes every table is empty, however large it grows."""
    await counted.fill(BACKGROUND)
    await counted.empty("DELETE")
    await counted.watch.execute("ANALYZE")
    await warm(counted)
    await counted.fill(BACKGROUND)
    assert await excess(counted) == ""


async def test_with_statistics_of_other_rows(counted: Counted) -> None:
    """Of jobs that were due much later, and of another municipality's messages."""
    await counted.fill(BACKGROUND, timedelta(hours=1), "2260")
    await counted.watch.execute("ANALYZE")
    await counted.empty("DELETE")
    await warm(counted)
    await counted.fill(BACKGROUND)
    assert await excess(counted) == ""
