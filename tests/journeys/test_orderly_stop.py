"""Journey: after SIGTERM a worker finishes its calls and releases its other jobs."""

from __future__ import annotations

from time import monotonic

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, numbers

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-workers"),
]

GRACE = 15


async def test_a_stopping_worker_finishes_its_calls_and_releases_the_other_jobs(
    set_up: SetUp,
) -> None:
    stage = await set_up(
        ProviderBehaviour(response_delay=0.6), AccountSettings(settings={"delivery_reports": False})
    )
    await stage.api()
    batch_id = await stage.batch("sms", numbers(200))
    first = await stage.worker(WORKER__GRACE=str(GRACE), WORKER__PATIENCE="60")
    await stage.providers.wait_for_messages(20)
    started = monotonic()
    first.terminate()
    assert await first.exit_status(GRACE + 3) == 0, first.log_text
    assert monotonic() - started < GRACE
    received = len(stage.providers.ledger)
    counts = await stage.counts(batch_id)
    assert counts == {"sent": received, "queued": 200 - received}
    held_back = await stage.environment.rows(
        "SELECT FROM pgqueuer WHERE status <> 'queued' OR queue_manager_id IS NOT NULL"
    )
    assert held_back == []
    assert await stage.environment.rows("SELECT FROM workers") == []
    stage.providers.response_delay = 0
    await stage.worker(WORKER__PATIENCE="60")
    await stage.settle(12)
    verdict = await stage.compare()
    assert (
        verdict.lost
        == verdict.unreported_duplicates
        == verdict.reported_duplicates
        == verdict.uncertain
        == []
    )
    assert len(stage.providers.ledger) == 200


async def test_a_send_that_outlasts_the_grace_is_in_doubt_and_reported_so(set_up: SetUp) -> None:
    stage = await set_up(
        ProviderBehaviour(response_delay=30),
        AccountSettings(settings={"delivery_reports": False, "read_timeout": 60}),
    )
    await stage.api()
    batch_id = await stage.batch("sms", numbers(30))
    first = await stage.worker(WORKER__GRACE="1", WORKER__PATIENCE="60")
    await stage.providers.wait_for_messages(8)
    first.terminate()
    assert await first.exit_status(1 + 3) == 0, first.log_text
    assert await stage.counts(batch_id) == {"uncertain": 8, "queued": 22}
    stage.providers.response_delay = 0
    await stage.worker(WORKER__PATIENCE="60")
    await stage.settle(12)
    verdict = await stage.compare()
    assert verdict.lost == verdict.unreported_duplicates == verdict.reported_duplicates == []
    assert len(verdict.held) == 8
