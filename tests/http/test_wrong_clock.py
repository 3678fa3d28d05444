"""A worker whose machine is three days ahead: it sends, expires and deletes nothing."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from structlog.testing import capture_logs

from tests.http.conftest import Client, serving
from utskick import bootstrap
from utskick.bootstrap import channels as channel_setup
from utskick.domain.clock import Clock, utc_now
from utskick.domain.retention import OTHERS, RetentionRule
from utskick.engine.worker import Worker, WorkerOptions
from utskick.store.clock import DatabaseClock
from utskick.store.database import Database

AHEAD = timedelta(days=3)
RULES = [RetentionRule(OTHERS, 1, "KS 2026/1")]


async def working(
    database: Database, client: Client, clock: Clock, is_fit: Callable[[], bool]
) -> asyncio.Task[None]:
    """Run a worker with this clock, whose messages reach the client's sandbox."""
    settings = bootstrap.read_settings(
        None,
        over={
            "database": {"url": database.url},
            "vault": {"key": b64encode(bytes(32)).decode()},
        },
    )
    begun = asyncio.Event()

    async def run() -> None:
        async with channel_setup.opened(settings, database, client.running.place) as setup:
            options = WorkerOptions(poll=0.05, grace=1, retention=RULES, is_fit=is_fit)
            worker = Worker(database, setup.channels, clock, options=options)
            begun.set()
            try:
                await worker.run()
            finally:
                worker.stop()

    task = asyncio.create_task(run())
    await begun.wait()
    return task


async def test_a_worker_three_days_ahead_expires_and_deletes_nothing(
    database: Database, tmp_path: Path
) -> None:
    ahead = DatabaseClock(wall=lambda: utc_now() + AHEAD)
    await ahead.check(database.pool)
    async with serving(database, tmp_path, work=False) as client:
        for number in range(10):
            body = {"mobileNumber": f"+4670000002{number}", "message": "Hej"}
            assert (await client.post("/2281/sms?async=true", body)).status == 201
        with capture_logs() as logs:
            wrong = await working(database, client, ahead, ahead.is_right)
            async with asyncio.timeout(20):
                while not any(entry["event"] == "clock-wrong" for entry in logs):
                    await asyncio.sleep(0.05)
        right = await working(database, client, database.clock, database.clock.is_right)
        async with asyncio.timeout(30):
            while len(await client.all_received("sms")) < 10:
                await asyncio.sleep(0.05)
        found = await database.pool.fetch("SELECT worker FROM attempts")
        assert len(found) == 10
        statuses = await database.pool.fetch("SELECT DISTINCT status FROM events")
        assert "expired" not in {row["status"] for row in statuses}
        assert await database.pool.fetchval("SELECT count(*) FROM messages") == 10
        # The one that is wrong does not count as a worker, and the other does.
        async with asyncio.timeout(20):
            while await database.pool.fetchval("SELECT count(*) FROM workers") != 1:
                await asyncio.sleep(0.05)
        for task in (wrong, right):
            task.cancel()
        await asyncio.gather(wrong, right, return_exceptions=True)
