"""The guard on a real database: what it holds, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from utskick.domain.channel import Priority
from utskick.domain.ids import new_id
from utskick.store.database import Database
from utskick.store.messages.print_batches import PrintBatches
from utskick.store.queue import Jobs, enqueue
from utskick.store.restore.guard import RestoreGuard
from utskick.store.restore.identity import MarkerFile

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "node" / "database-seen.json"


async def started(database: Database, path: Path | None) -> RestoreGuard:
    """Return the guard of a node that has just connected."""
    guard = RestoreGuard(MarkerFile(path))
    async with database.pool.acquire() as connection:
        await guard.inspect(connection)
    await guard.tick(database.pool)
    return guard


async def waiting(database: Database) -> None:
    job = ("sms", Priority.NORMAL, "2281", new_id(), datetime.now(UTC) - timedelta(seconds=5))
    await enqueue(database.pool, [job])


async def claimed(database: Database) -> int:
    jobs = Jobs(database.pool, new_id())
    return len(await jobs.claim(["sms:normal"], 100, timedelta(seconds=30)))


async def restored(database: Database) -> list[Any]:
    return list(await database.pool.fetch("SELECT * FROM restores ORDER BY detected_at"))


async def back(database: Database) -> None:
    """Take the database back to where it was a while ago, as a restore of its files does."""
    await database.pool.execute("UPDATE installation SET ticks = ticks - 1")


async def test_starts_hold_nothing(database: Database, marker: Path) -> None:
    for path in (marker, marker, None, marker):
        await started(database, path)
    await waiting(database)
    guard = await started(database, marker)
    assert guard.health() is None
    assert await claimed(database) == 1
    assert await restored(database) == []


async def test_what_waited_before_the_restore_is_held_and_what_comes_after_it_is_not(
    database: Database, marker: Path
) -> None:
    await started(database, marker)
    await waiting(database)
    await back(database)
    guard = await started(database, marker)
    health = guard.health()
    assert health is not None
    assert (health["status"], health["reason"]) == (
        "HELD",
        "it has lost what this node has seen of it",
    )
    assert await claimed(database) == 0
    await waiting(database)
    assert await claimed(database) == 1
    [found] = await restored(database)
    assert (found["held"], found["released_at"]) == (1, None)


async def test_a_restore_is_noticed_once_however_many_nodes_start(
    database: Database, marker: Path
) -> None:
    other = marker.with_name("other.json")
    await started(database, marker)
    await started(database, other)
    await back(database)
    await back(database)
    await started(database, marker)
    await waiting(database)
    for path in (other, marker, None, other):
        await started(database, path)
    assert await claimed(database) == 1
    assert len(await restored(database)) == 1


async def test_tables_that_are_restored_under_a_running_service_are_noticed(
    database: Database, marker: Path
) -> None:
    guard = await started(database, marker)
    await waiting(database)
    await back(database)
    await guard.tick(database.pool)
    assert await claimed(database) == 0
    await guard.tick(database.pool)
    assert len(await restored(database)) == 1


async def test_a_copy_in_another_database_is_held(database: Database, marker: Path) -> None:
    await started(database, marker)
    await waiting(database)
    await database.pool.execute("UPDATE installation SET database_oid = 1")
    await started(database, None)
    assert await claimed(database) == 0


async def test_an_open_print_batch_of_before_is_not_handed_over(
    database: Database, marker: Path
) -> None:
    await started(database, marker)
    insert = """
        INSERT INTO print_batches (id, municipality_id, channel, batch_id, sequence, letters,
            closes_itself, opened_at) VALUES ($1, '2281', 'snail_mail', $2, 1, 0, true, $3)
    """
    await database.pool.execute(insert, new_id(), new_id(), NOW)
    await back(database)
    await started(database, marker)
    await database.pool.execute(insert, new_id(), new_id(), NOW)
    await PrintBatches(database).close_due(NOW + timedelta(days=1), {})
    rows = await database.pool.fetch("SELECT held, closed_at FROM print_batches ORDER BY held")
    assert [(row["held"], row["closed_at"] is None) for row in rows] == [
        (False, False),
        (True, True),
    ]


async def test_a_marker_that_cannot_be_read_or_written_stops_nothing(
    database: Database, tmp_path: Path
) -> None:
    broken = tmp_path / "database-seen.json"
    broken.write_text("{")
    await started(database, broken)
    folder = tmp_path / "a-file"
    folder.write_text("")
    guard = await started(database, folder / "database-seen.json")
    await guard.tick(database.pool)
    await back(database)
    await back(database)
    await waiting(database)
    await guard.tick(database.pool)
    assert await claimed(database) == 0, "it is remembered in memory"
