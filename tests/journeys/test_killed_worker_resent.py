"""Journey: a worker is killed; what it left in doubt is sent again, with the same key."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.killing import COUNT, POINTS, UNDER_WAY, Ended, journey, killed_while_thinking
from tests.journeys.oracle import Verdict
from tests.journeys.providers import Habits
from tests.journeys.stage import Stage, Wiring
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
    stage = await set_up(Habits(deduplicates=True), Wiring(settings={"deduplicates": True}))
    ended = await journey(stage, "sms", point)
    expect_sent_again(ended)
    assert ended.verdict.doubled_and_reported == []
    assert len(stage.providers.ledger) == COUNT


async def test_a_deduplicating_gateway_receives_the_same_key_after_its_worker_was_killed(
    set_up: SetUp,
) -> None:
    stage = await set_up(
        Habits(thinking=3, deduplicates=True), Wiring(settings={"deduplicates": True})
    )
    ended = await killed_while_thinking(stage, "sms")
    expect_sent_again(ended)
    assert len(ended.verdict.doubted) == UNDER_WAY
    assert len(stage.providers.ledger) == COUNT


@pytest.mark.parametrize("point", POINTS)
async def test_an_email_is_sent_again_with_its_message_id_when_its_worker_was_killed(
    set_up: SetUp, point: str
) -> None:
    stage = await set_up()
    ended = await journey(stage, "email", point)
    expect_sent_again(ended)
    expect_identical_copies(stage, ended.verdict)
    assert ended.verdict.doubled_and_reported or point != "after-answer", (
        "the one that was answered has been sent again"
    )


async def test_an_email_is_sent_again_when_its_worker_was_killed_while_the_mail_server_thought(
    set_up: SetUp,
) -> None:
    stage = await set_up()
    stage.providers.faults.add(FaultRule(ProviderFault.TIMEOUT, "smtp", times=None))
    ended = await killed_while_thinking(stage, "email")
    expect_sent_again(ended)
    expect_identical_copies(stage, ended.verdict)
    assert len(ended.verdict.doubled_and_reported) == ended.by_then >= UNDER_WAY


def expect_sent_again(ended: Ended) -> None:
    verdict = ended.verdict
    assert verdict.lost == verdict.doubled_in_silence == verdict.held == []
    assert sorted(verdict.doubted) == sorted(ended.interrupted)


def expect_identical_copies(stage: Stage, verdict: Verdict) -> None:
    copies = stage.copies()
    for delivery_id in verdict.doubled_and_reported:
        assert len(copies.of(delivery_id)) == 2
        assert (
            len({copy.key for copy in copies.of(delivery_id)})
            == len({copy.raw for copy in copies.of(delivery_id)})
            == 1
        )
