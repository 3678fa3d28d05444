"""Claims: the most urgent first, the oldest of a lane first, reading no more than they claim."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from utskick.domain.channel import Priority
from utskick.domain.clock import utc_now
from utskick.domain.ids import new_id
from utskick.store.database import Database
from utskick.store.queue import Jobs, depth, enqueue

LANES = ("sms:high", "sms:normal", "sms:bulk")
PATIENCE = timedelta(seconds=30)


async def queued(database: Database, *jobs: tuple[Priority, int]) -> list[UUID]:
    """(priority, seconds from now) → the deliveries."""
    now, ids = utc_now(), [new_id() for _ in jobs]
    await enqueue(
        database.pool,
        [
            ("sms", p, "2281", id_, now + timedelta(seconds=s))
            for (p, s), id_ in zip(jobs, ids, strict=True)
        ],
    )
    return ids


async def claimed(
    pool: Any, count: int, *, worker: UUID | None = None, patience: timedelta = PATIENCE
) -> list[UUID]:
    return [
        job.delivery_id
        for job in await Jobs(pool, worker or new_id()).claim(LANES, count, patience)
    ]


async def test_the_most_urgent_come_first_and_of_a_lane_those_that_have_been_due_longest(
    database: Database,
) -> None:
    young, old, _future, urgent, bulk = await queued(
        database,
        (Priority.NORMAL, -5),
        (Priority.NORMAL, -60),
        (Priority.HIGH, 3600),
        (Priority.HIGH, -1),
        (Priority.BULK, -900),
    )
    assert await claimed(database.pool, 3) == [urgent, old, young]
    assert await claimed(database.pool, 3) == [bulk], "what is not due yet stays"


async def test_a_claim_keeps_to_its_lanes_and_says_which_one_a_job_came_from(
    database: Database,
) -> None:
    _normal, bulk = await queued(database, (Priority.NORMAL, -5), (Priority.BULK, -5))
    [job] = await Jobs(database.pool, new_id()).claim(["email:normal", "sms:bulk"], 10, PATIENCE)
    assert (job.lane, job.municipality_id, job.delivery_id) == ("sms:bulk", "2281", bulk)


async def test_a_silent_worker_loses_its_jobs_and_one_with_heartbeats_does_not(
    database: Database,
) -> None:
    alive, silent = Jobs(database.pool, new_id()), new_id()
    await queued(database, (Priority.NORMAL, -5))
    kept = [job.id for job in await alive.claim(LANES, 1, PATIENCE)]
    [lost] = await queued(database, (Priority.NORMAL, -5))
    assert await claimed(database.pool, 1, worker=silent) == [lost]
    await database.pool.execute("UPDATE pgqueuer SET heartbeat = now() - interval '31 seconds'")
    await database.pool.execute(
        "SELECT pg_sleep(extract(epoch FROM pg_postmaster_start_time() - now()) + 5.1)"
    )
    await alive.beat(kept)
    assert await claimed(database.pool, 10, patience=timedelta(seconds=5)) == [lost]


async def test_a_server_that_was_down_takes_no_worker_for_silent_that_it_could_not_hear(
    database: Database,
) -> None:
    await queued(database, (Priority.NORMAL, -5))
    await claimed(database.pool, 1)
    await database.pool.execute("UPDATE pgqueuer SET heartbeat = now() - interval '10 days'")
    age = await database.pool.fetchval("SELECT now() - pg_postmaster_start_time()")
    assert await claimed(database.pool, 10, patience=age + timedelta(minutes=1)) == []


async def test_a_claim_reads_no_more_than_it_claims_however_many_wait(database: Database) -> None:
    """Also while the server has no statistics of the queue, as in the first seconds of a batch."""
    await queued(database, *[(Priority.BULK, -5)] * 5000, *[(Priority.BULK, 3600)] * 1000)
    async with database.pool.acquire() as connection, connection.transaction():
        assert len(await claimed(connection, 80)) == 80
        read = await connection.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
            " WHERE relid = 'pgqueuer'::regclass"
        )
    assert read < 500
    assert await database.pool.fetchval("SELECT count(*) FROM pgqueuer_log") == 0


async def test_a_claim_passes_over_what_another_is_claiming_and_does_not_wait_for_it(
    database: Database,
) -> None:
    """Two workers at once: neither gets the other's job, and neither is held up."""
    first, second = await queued(database, (Priority.NORMAL, -60), (Priority.NORMAL, -5))
    async with database.transaction() as connection:
        assert await claimed(connection, 1) == [first]
        async with asyncio.timeout(10):
            assert await claimed(database.pool, 1) == [second]
            assert await claimed(database.pool, 1) == []


async def test_two_claims_at_once_of_what_a_silent_worker_left_share_it(database: Database) -> None:
    await queued(database, (Priority.NORMAL, -5))
    assert len(await claimed(database.pool, 1)) == 1
    await database.pool.execute("UPDATE pgqueuer SET heartbeat = now() - interval '31 seconds'")
    await database.pool.execute(
        "SELECT pg_sleep(extract(epoch FROM pg_postmaster_start_time() - now()) + 5.1)"
    )
    patience = timedelta(seconds=5)
    async with database.transaction() as connection:
        assert len(await claimed(connection, 1, patience=patience)) == 1
        async with asyncio.timeout(10):
            assert await claimed(database.pool, 1, patience=patience) == []


async def test_only_who_claimed_a_job_gives_it_back_or_removes_it(database: Database) -> None:
    await queued(database, (Priority.NORMAL, -5))
    owner, other = Jobs(database.pool, new_id()), Jobs(database.pool, new_id())
    [job] = await owner.claim(LANES, 1, PATIENCE)
    await other.finish([job.id])
    await other.give_back([job.id])
    assert await database.pool.fetchval("SELECT status FROM pgqueuer") == "picked"
    await owner.give_back([job.id])
    assert len(await claimed(database.pool, 1)) == 1


async def test_the_depth_counts_what_is_due_and_what_is_later(database: Database) -> None:
    await queued(database, (Priority.NORMAL, -60), (Priority.BULK, -5), (Priority.NORMAL, 3600))
    found = await depth(database.pool)
    assert (found.due, found.later) == (2, 1)
    assert 60 <= found.age < 600
