"""Journey: PostgreSQL ends sessions under load, again and again, and no answer is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, Stage, numbers
from tests.journeys.test_database_restart import post_steadily

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-database-restart"),
]

#: Sessions that are ended at least, and messages of the batch.
ENDED, COUNT = 300, 400


async def end_sessions(stage: Stage, ended: list[int]) -> None:
    """End one session after another, of every process of the service, until cancelled."""
    while True:
        rows = await stage.environment.rows(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
            ORDER BY random() LIMIT 3
            """
        )
        ended.append(len(rows))
        await asyncio.sleep(0.01)


async def test_no_answer_is_forgotten_when_sessions_are_ended_hundreds_of_times(
    set_up: SetUp,
) -> None:
    stage = await set_up(
        ProviderBehaviour(response_delay=0.05),
        AccountSettings(settings={"delivery_reports": False}),
    )
    api, worker = await stage.api(), await stage.worker()
    await stage.batch("sms", numbers(COUNT))
    await stage.providers.wait_for_messages(5)  # the worker has started
    ended: list[int] = []
    refusals: list[float] = []
    ending = asyncio.ensure_future(end_sessions(stage, ended))
    posting = asyncio.gather(
        *(post_steadily(stage, numbers(10, 1 + i), refusals) for i in range(4))
    )
    try:
        async with asyncio.timeout(120):
            await posting
            while sum(ended) < ENDED:
                await asyncio.sleep(0.05)
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
    await stage.settle(60)
    verdict = await stage.compare()
    assert api.alive
    assert worker.alive
    assert len(verdict.lifecycles) == COUNT + 40
    assert verdict.uncertain == [], "every provider had answered"
    assert verdict.lost == verdict.unreported_duplicates == verdict.reported_duplicates == []
    assert len(stage.providers.ledger) == COUNT + 40
    assert "Traceback" not in worker.log_text
    assert "Traceback" not in api.log_text
