"""Journey: a worker is out of touch for longer than its patience (SIGSTOP, as a frozen machine),
and then comes back."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.process import Process
from tests.journeys.providers import Habits
from tests.journeys.stage import Stage, Wiring, eventually, numbers

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-workers"),
]

SILENT = {"delivery_reports": False}


#: A worker with ten calls at a time holds twenty jobs: eight under way, the others waiting for
#: their turn.
COUNT, UNDER_WAY, WAITING = 30, 8, 12


async def paused(stage: Stage, count: int = COUNT) -> Process:
    """A worker that is stopped while eight of its sends are being answered."""
    await stage.door()
    await stage.batch("sms", numbers(count))
    late = await stage.worker()
    await stage.providers.have_taken(UNDER_WAY)
    late.pause()
    return late


async def says(process: Process, event: str, times: int) -> None:
    """Returns when its log has the event so often."""

    async def said() -> bool:
        return process.said.count(event) >= times

    await eventually(said, f"{event} is logged {times} times")


async def events(stage: Stage) -> dict[str, list[str]]:
    rows = await stage.ground.rows(
        "SELECT delivery_id, array_agg(status ORDER BY id) AS words FROM events GROUP BY delivery_id"
    )
    return {str(row["delivery_id"]): list(row["words"]) for row in rows}


async def test_a_late_answer_is_the_truth_of_a_held_sms_and_changes_nothing_else(
    set_up: SetUp,
) -> None:
    stage = await set_up(Habits(thinking=1), Wiring(settings=SILENT))
    late = await paused(stage)
    stage.providers.thinking = 0
    await stage.worker()
    await stage.settle()
    held = (await stage.compare()).held
    assert len(held) == UNDER_WAY
    before = await events(stage)
    late.resume()
    for delivery_id in held:
        await stage.become(delivery_id, "sent")
    await says(late, "not-due-any-more", WAITING)
    verdict = await stage.compare()
    assert (
        verdict.lost
        == verdict.doubled_in_silence
        == verdict.doubled_and_reported
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
    """The gateway was said to de-duplicate, and does not: each copy stands in its delivery's story
    as a doubt."""
    stage = await set_up(Habits(thinking=1), Wiring(settings=SILENT | {"deduplicates": True}))
    late = await paused(stage)
    stage.providers.thinking = 0
    await stage.worker()
    await stage.settle()
    before = await events(stage)
    late.resume()
    await says(late, "settled-by-another", UNDER_WAY)
    await says(late, "not-due-any-more", WAITING)
    assert await events(stage) == before
    verdict = await stage.compare()
    assert verdict.lost == verdict.doubled_in_silence == verdict.held == []
    assert len(verdict.doubled_and_reported) == UNDER_WAY


async def test_a_late_worker_does_not_touch_jobs_that_another_has_claimed(
    set_up: SetUp,
) -> None:
    """It finds that what it held is being sent; were it to take the jobs away, nobody would finish
    them once the other one dies."""
    stage = await set_up(Habits(thinking=1), Wiring(settings=SILENT))
    late = await paused(stage, UNDER_WAY + WAITING)
    stage.providers.thinking = 4
    other = await stage.worker()
    await stage.providers.have_taken(UNDER_WAY + 4)
    late.resume()
    await says(late, "not-due-any-more", 4)
    await other.kill()
    stage.providers.thinking = 0
    await stage.settle(15)
    verdict = await stage.compare()
    assert verdict.lost == verdict.doubled_in_silence == verdict.doubled_and_reported == []
    assert len(verdict.held) >= 4
