"""Journey: SIGTERM during a batch. What runs may finish, and the rest goes to another worker at
once."""

from __future__ import annotations

from time import monotonic

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import Habits
from tests.journeys.stage import Wiring, numbers

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-workers"),
]

GRACE = 15


async def test_a_stopping_worker_finishes_its_calls_and_releases_the_other_jobs(
    set_up: SetUp,
) -> None:
    stage = await set_up(Habits(thinking=0.6), Wiring(settings={"delivery_reports": False}))
    await stage.door()
    batch_id = await stage.batch("sms", numbers(200))
    first = await stage.worker(WORKER__GRACE=str(GRACE), WORKER__PATIENCE="60")
    await stage.providers.have_taken(20)
    asked = monotonic()
    first.ask_to_stop()
    assert await first.ended(GRACE + 3) == 0, first.said
    assert monotonic() - asked < GRACE
    taken = len(stage.providers.ledger)
    counts = await stage.counts(batch_id)
    assert counts == {"sent": taken, "queued": 200 - taken}
    held_back = await stage.ground.rows(
        "SELECT FROM pgqueuer WHERE status <> 'queued' OR queue_manager_id IS NOT NULL"
    )
    assert held_back == []
    assert await stage.ground.rows("SELECT FROM workers") == []
    stage.providers.thinking = 0
    await stage.worker(WORKER__PATIENCE="60")
    await stage.settle(12)
    verdict = await stage.compare()
    assert (
        verdict.lost
        == verdict.doubled_in_silence
        == verdict.doubled_and_reported
        == verdict.doubted
        == []
    )
    assert len(stage.providers.ledger) == 200


async def test_a_send_that_outlasts_the_grace_is_in_doubt_and_reported_so(set_up: SetUp) -> None:
    stage = await set_up(
        Habits(thinking=30), Wiring(settings={"delivery_reports": False, "read_timeout": 60})
    )
    await stage.door()
    batch_id = await stage.batch("sms", numbers(30))
    first = await stage.worker(WORKER__GRACE="1", WORKER__PATIENCE="60")
    await stage.providers.have_taken(8)
    first.ask_to_stop()
    assert await first.ended(1 + 3) == 0, first.said
    assert await stage.counts(batch_id) == {"uncertain": 8, "queued": 22}
    stage.providers.thinking = 0
    await stage.worker(WORKER__PATIENCE="60")
    await stage.settle(12)
    verdict = await stage.compare()
    assert verdict.lost == verdict.doubled_in_silence == verdict.doubled_and_reported == []
    assert len(verdict.held) == 8
