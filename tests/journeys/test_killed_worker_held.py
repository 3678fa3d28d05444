"""Journey: a worker is killed; what it left in doubt is held, and never sent again."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.killing import POINTS, UNDER_WAY, Ended, journey, killed_while_thinking
from tests.journeys.providers import Habits
from tests.journeys.stage import Wiring
from utskick.domain.status import Status

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-killed-worker-held"),
]


SILENT = {"delivery_reports": False}


@pytest.mark.parametrize("point", POINTS)
async def test_an_sms_without_deduplication_is_held_when_its_worker_was_killed(
    set_up: SetUp, point: str
) -> None:
    stage = await set_up(wiring=Wiring(settings=SILENT))
    ended = await journey(stage, "sms", point)
    expect_held(ended)
    assert len(ended.interrupted) > 0 or point in ("before-begin", "after-settle")
    if point == "after-answer":
        assert any(stage.copies().of(d) for d in ended.verdict.held), (
            "the one that was answered is among those held"
        )


async def test_an_sms_is_held_when_its_worker_was_killed_while_the_provider_thought(
    set_up: SetUp,
) -> None:
    stage = await set_up(Habits(thinking=3), Wiring(settings=SILENT))
    ended = await killed_while_thinking(stage, "sms")
    expect_held(ended)
    assert ended.by_then == len(ended.interrupted) == UNDER_WAY
    assert all(len(stage.copies().of(d)) == 1 for d in ended.verdict.held)


def expect_held(ended: Ended) -> None:
    verdict = ended.verdict
    assert verdict.lost == []
    assert verdict.doubled_in_silence == verdict.doubled_and_reported == []
    assert sorted(verdict.held) == sorted(verdict.doubted) == sorted(ended.interrupted)
    assert set(verdict.lifecycles.values()) <= {Status.SENT, Status.UNCERTAIN}


async def test_a_delivery_report_resolves_what_a_killed_worker_left_in_doubt(set_up: SetUp) -> None:
    stage = await set_up(Habits(thinking=3))
    await killed_while_thinking(stage, "sms")
    for delivery_id in stage.accepted:
        await stage.become(delivery_id, "delivered")
    verdict = await stage.compare()
    assert (
        verdict.lost
        == verdict.doubled_in_silence
        == verdict.doubled_and_reported
        == verdict.held
        == []
    )
