"""Journey: a synchronous call at one process, settled by the worker of another."""

from __future__ import annotations

from time import monotonic

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import Habits
from tests.journeys.stage import Wiring, numbers, sms_to
from utskick.sandbox.faults import FaultRule, ProviderFault

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-workers"),
]


async def test_a_synchronous_call_is_answered_when_a_worker_elsewhere_has_settled_it(
    set_up: SetUp,
) -> None:
    stage = await set_up(
        Habits(thinking=0.4), Wiring(settings={"delivery_reports": False})
    )  # a report would wake the caller, too
    await stage.door()
    await stage.worker(WORKER__POLL="30")
    await stage.post(
        "sms", sms_to(numbers(1)[0])
    )  # the worker has started by the time that this is answered
    for number in numbers(5)[1:]:
        asked = monotonic()
        answer = await stage.post("sms", sms_to(number))
        assert answer.status == 201
        assert answer.body["deliveries"][0]["status"] == "SENT"
        assert 0.4 <= monotonic() - asked < 10, (
            "told by NOTIFY, both ways: neither side waits for its next look"
        )
    verdict = await stage.compare()
    assert verdict.lost == verdict.doubled_in_silence == verdict.doubled_and_reported == []


async def test_a_synchronous_call_is_pending_when_the_provider_defers_for_longer_than_the_wait(
    set_up: SetUp,
) -> None:
    stage = await set_up(wiring=Wiring(accounts=("link", "telia", "46elks")))
    number = numbers(1)[0]
    rule = stage.providers.faults.add(
        FaultRule(ProviderFault.TEMPORARY, recipient=f"\\{number}$", times=None)
    )
    await stage.door(HTTP__SYNC_WAIT="1")
    await stage.worker()
    asked = monotonic()
    answer = await stage.post("sms", sms_to(number))
    assert answer.status == 201
    assert answer.body["deliveries"][0]["status"] == "PENDING"
    assert 1.0 <= monotonic() - asked < 10
    stage.providers.faults.rules.remove(rule)
    await stage.settle()
    verdict = await stage.compare()
    assert verdict.lost == verdict.doubled_in_silence == verdict.doubled_and_reported == []
    await stage.close_door()  # the others wait longer
