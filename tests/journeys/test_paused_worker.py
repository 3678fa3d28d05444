"""Journey: a worker is frozen (SIGSTOP) for longer than its patience, and then resumes."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.process import Process
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, Stage, eventually, numbers

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-workers"),
]

SILENT = {"delivery_reports": False}


#: A worker with ten concurrent calls claims twenty jobs: eight in progress, the others waiting.
COUNT, UNDER_WAY, WAITING = 30, 8, 12


async def paused(stage: Stage, count: int = COUNT) -> Process:
    """Return a worker that is stopped during eight calls."""
    await stage.api()
    await stage.batch("sms", numbers(count))
    late = await stage.worker()
    await stage.providers.wait_for_messages(UNDER_WAY)
    late.pause()
    return late


async def wait_for_log(process: Process, event: str, times: int) -> None:
    """Wait until its log contains the event that many times."""

    async def log_text() -> bool:
        return process.log_text.count(event) >= times

    await eventually(log_text, f"{event} is logged {times} times")


async def events(stage: Stage) -> dict[str, list[str]]:
    rows = await stage.environment.rows(
        "SELECT delivery_id, array_agg(status ORDER BY id) AS words FROM events GROUP BY "
        "delivery_id"
    )
    return {str(row["delivery_id"]): list(row["words"]) for row in rows}


async def test_a_late_answer_is_the_truth_of_a_held_sms_and_changes_nothing_else(
    set_up: SetUp,
) -> None:
    stage = await set_up(ProviderBehaviour(response_delay=1), AccountSettings(settings=SILENT))
    late = await paused(stage)
    stage.providers.response_delay = 0
    await stage.worker()
    await stage.settle()
    held = (await stage.compare()).held
    assert len(held) == UNDER_WAY
    before = await events(stage)
    late.resume()
    for delivery_id in held:
        await stage.wait_for_lifecycle(delivery_id, "sent")
    await wait_for_log(late, "not-due-any-more", WAITING)
    verdict = await stage.compare()
    assert (
        verdict.lost
        == verdict.unreported_duplicates
        == verdict.reported_duplicates
        == verdict.held
        == []
    )
    assert len(stage.providers.ledger) == COUNT
    after = await events(stage)
    assert all(
        after[d] == [*before[d], "sent"] if d in held else after[d] == before[d] for d in after
    )


async def test_a_late_answer_changes_nothing_where_another_worker_has_sent_again(
    set_up: SetUp,
) -> None:
    """Use a gateway that is configured as deduplicating and is not.

    Each copy is recorded as an uncertain attempt of its delivery.
    """
    stage = await set_up(
        ProviderBehaviour(response_delay=1),
        AccountSettings(settings=SILENT | {"deduplicates": True}),
    )
    late = await paused(stage)
    stage.providers.response_delay = 0
    await stage.worker()
    await stage.settle()
    before = await events(stage)
    late.resume()
    await wait_for_log(late, "settled-by-another", UNDER_WAY)
    await wait_for_log(late, "not-due-any-more", WAITING)
    assert await events(stage) == before
    verdict = await stage.compare()
    assert verdict.lost == verdict.unreported_duplicates == verdict.held == []
    assert len(verdict.reported_duplicates) == UNDER_WAY


async def test_a_late_worker_does_not_touch_jobs_that_another_has_claimed(
    set_up: SetUp,
) -> None:
    """Resume a worker whose jobs another one has claimed.

    If it deleted the jobs, nobody would finish them after the other one dies.
    """
    stage = await set_up(ProviderBehaviour(response_delay=1), AccountSettings(settings=SILENT))
    late = await paused(stage, UNDER_WAY + WAITING)
    stage.providers.response_delay = 4
    other = await stage.worker()
    await stage.providers.wait_for_messages(UNDER_WAY + 4)
    late.resume()
    await wait_for_log(late, "not-due-any-more", 4)
    await other.kill()
    stage.providers.response_delay = 0
    await stage.settle(15)
    verdict = await stage.compare()
    assert verdict.lost == verdict.unreported_duplicates == verdict.reported_duplicates == []
    assert len(verdict.held) >= 4
