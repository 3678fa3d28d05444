"""The database's clock: a machine whose clock is wrong, or is set, changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from utskick.domain.clock import utc_now
from utskick.store.clock import TOLERANCE, DatabaseClock
from utskick.store.database import Database

DAYS = timedelta(days=3)


class Answers:
    """A connection to a database with this time."""

    def __init__(self, *moments: datetime) -> None:
        self.moments = list(moments)

    async def fetchval(self, _statement: str) -> datetime:
        return self.moments.pop(0)


class Machine:
    """A machine whose clock can be set, and whose monotonic clock goes on."""

    def __init__(self) -> None:
        self.wall, self.seconds = datetime(2026, 11, 30, 12, tzinfo=UTC), 1000.0

    def now(self) -> datetime:
        return self.wall

    def elapsed(self) -> float:
        return self.seconds

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.mark.parametrize("ahead", [DAYS, -DAYS], ids=["ahead", "behind"])
async def test_the_time_is_the_databases_whatever_the_machine_says(
    database: Database, ahead: timedelta
) -> None:
    clock = DatabaseClock(wall=lambda: utc_now() + ahead)
    await clock.check(database.pool)
    before = await database.pool.fetchval("SELECT clock_timestamp()")
    found = clock()
    after = await database.pool.fetchval("SELECT clock_timestamp()")
    assert before - timedelta(seconds=1) <= found <= after + timedelta(seconds=1)
    assert abs(clock.offset - ahead) < timedelta(seconds=2)
    assert not clock.is_right()
    assert clock.health()["status"] == "DOWN"


async def test_a_clock_that_is_set_while_the_service_runs_is_noticed_without_the_database() -> None:
    machine = Machine()
    start = machine.wall
    clock = DatabaseClock(machine.now, machine.elapsed)
    await clock.check(Answers(start))
    machine.passes(10)
    assert clock() == start + timedelta(seconds=10)
    with capture_logs() as logs:
        assert clock.is_right()
        machine.wall += TOLERANCE
        assert clock.is_right()
        machine.wall += timedelta(milliseconds=1)
        assert not clock.is_right()
        assert not clock.is_right()
        assert clock() == start + timedelta(seconds=10)
        machine.wall -= timedelta(seconds=3)
        assert clock.is_right()
    assert [entry["event"] for entry in logs] == ["clock-wrong", "clock-right-again"]


async def test_an_answer_that_took_long_is_not_believed() -> None:
    machine = Machine()
    clock = DatabaseClock(machine.now, machine.elapsed)
    await clock.check(Answers(machine.wall))

    class Slow(Answers):
        async def fetchval(self, statement: str) -> datetime:
            machine.passes(20)
            return await super().fetchval(statement)

    await clock.check(Slow(machine.wall))
    assert clock.offset == timedelta(0)
