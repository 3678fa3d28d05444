"""Journey: uncertain deliveries of a killed worker are held, and not sent again."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.killing import POINTS, UNDER_WAY, JourneyResult, journey, killed_during_call
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings
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
    stage = await set_up(account_settings=AccountSettings(settings=SILENT))
    result = await journey(stage, "sms", point)
    expect_held(result)
    assert len(result.interrupted) > 0 or point in ("before-begin", "after-settle")
    if point == "after-answer":
        assert any(stage.copies().of(d) for d in result.verdict.held), (
            "the one that was answered is among those held"
        )


async def test_an_sms_is_held_when_its_worker_was_killed_while_the_provider_thought(
    set_up: SetUp,
) -> None:
    stage = await set_up(ProviderBehaviour(response_delay=3), AccountSettings(settings=SILENT))
    result = await killed_during_call(stage, "sms")
    expect_held(result)
    assert result.received == len(result.interrupted) == UNDER_WAY
    assert all(len(stage.copies().of(d)) == 1 for d in result.verdict.held)


def expect_held(result: JourneyResult) -> None:
    verdict = result.verdict
    assert verdict.lost == []
    assert verdict.unreported_duplicates == verdict.reported_duplicates == []
    assert sorted(verdict.held) == sorted(verdict.uncertain) == sorted(result.interrupted)
    assert set(verdict.lifecycles.values()) <= {Status.SENT, Status.UNCERTAIN}


async def test_a_delivery_report_resolves_what_a_killed_worker_left_in_doubt(set_up: SetUp) -> None:
    stage = await set_up(ProviderBehaviour(response_delay=3))
    await killed_during_call(stage, "sms")
    for delivery_id in stage.accepted:
        await stage.wait_for_lifecycle(delivery_id, "delivered")
    verdict = await stage.compare()
    assert (
        verdict.lost
        == verdict.unreported_duplicates
        == verdict.reported_duplicates
        == verdict.held
        == []
    )
