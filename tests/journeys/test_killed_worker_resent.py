"""Journey: uncertain deliveries of a killed worker are sent again with the same key."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.killing import (
    COUNT,
    POINTS,
    UNDER_WAY,
    JourneyResult,
    journey,
    killed_during_call,
)
from tests.journeys.oracle import Verdict
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, Stage
from utskick.sandbox.faults import FaultRule, ProviderFault

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-killed-worker-resent"),
]


@pytest.mark.parametrize("point", POINTS)
async def test_an_sms_to_a_gateway_that_deduplicates_is_sent_again_and_received_once(
    set_up: SetUp, point: str
) -> None:
    stage = await set_up(
        ProviderBehaviour(deduplicates=True), AccountSettings(settings={"deduplicates": True})
    )
    result = await journey(stage, "sms", point)
    expect_sent_again(result)
    assert result.verdict.reported_duplicates == []
    assert len(stage.providers.ledger) == COUNT


async def test_a_deduplicating_gateway_receives_the_same_key_after_its_worker_was_killed(
    set_up: SetUp,
) -> None:
    stage = await set_up(
        ProviderBehaviour(response_delay=3, deduplicates=True),
        AccountSettings(settings={"deduplicates": True}),
    )
    result = await killed_during_call(stage, "sms")
    expect_sent_again(result)
    assert len(result.verdict.uncertain) == UNDER_WAY
    assert len(stage.providers.ledger) == COUNT


@pytest.mark.parametrize("point", POINTS)
async def test_an_email_is_sent_again_with_its_message_id_when_its_worker_was_killed(
    set_up: SetUp, point: str
) -> None:
    stage = await set_up()
    result = await journey(stage, "email", point)
    expect_sent_again(result)
    expect_identical_copies(stage, result.verdict)
    assert result.verdict.reported_duplicates or point != "after-answer", (
        "the one that was answered has been sent again"
    )


async def test_an_email_is_sent_again_when_its_worker_was_killed_while_the_mail_server_thought(
    set_up: SetUp,
) -> None:
    stage = await set_up()
    stage.providers.faults.add(FaultRule(ProviderFault.TIMEOUT, "smtp", times=None))
    result = await killed_during_call(stage, "email")
    expect_sent_again(result)
    expect_identical_copies(stage, result.verdict)
    assert len(result.verdict.reported_duplicates) == result.received >= UNDER_WAY


def expect_sent_again(result: JourneyResult) -> None:
    verdict = result.verdict
    assert verdict.lost == verdict.unreported_duplicates == verdict.held == []
    assert sorted(verdict.uncertain) == sorted(result.interrupted)


def expect_identical_copies(stage: Stage, verdict: Verdict) -> None:
    copies = stage.copies()
    for delivery_id in verdict.reported_duplicates:
        assert len(copies.of(delivery_id)) == 2
        assert (
            len({copy.key for copy in copies.of(delivery_id)})
            == len({copy.raw for copy in copies.of(delivery_id)})
            == 1
        )
