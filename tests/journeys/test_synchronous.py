"""Journey: a synchronous call to one process is settled by a worker in another."""

from __future__ import annotations

from time import monotonic

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, numbers, sms_to
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
        ProviderBehaviour(response_delay=0.4),
        AccountSettings(settings={"delivery_reports": False}),
        # A delivery report would also wake the caller.
    )
    await stage.api()
    await stage.worker(WORKER__POLL="30")
    await stage.post(
        "sms",
        sms_to(numbers(1)[0]),
        # When this is answered, the worker has started.
    )
    for number in numbers(5)[1:]:
        started = monotonic()
        answer = await stage.post("sms", sms_to(number))
        assert answer.status == 201
        assert answer.body["deliveries"][0]["status"] == "SENT"
        assert 0.4 <= monotonic() - started < 10, (
            "told by NOTIFY, both ways: neither side waits for its next look"
        )
    verdict = await stage.compare()
    assert verdict.lost == verdict.unreported_duplicates == verdict.reported_duplicates == []


async def test_a_synchronous_call_is_pending_when_the_provider_defers_for_longer_than_the_wait(
    set_up: SetUp,
) -> None:
    stage = await set_up(account_settings=AccountSettings(accounts=("link", "telia", "46elks")))
    number = numbers(1)[0]
    rule = stage.providers.faults.add(
        FaultRule(ProviderFault.TEMPORARY, recipient=f"\\{number}$", times=None)
    )
    await stage.api(HTTP__SYNC_WAIT="1")
    await stage.worker()
    started = monotonic()
    answer = await stage.post("sms", sms_to(number))
    assert answer.status == 201
    assert answer.body["deliveries"][0]["status"] == "PENDING"
    assert 1.0 <= monotonic() - started < 10
    stage.providers.faults.rules.remove(rule)
    await stage.settle()
    verdict = await stage.compare()
    assert verdict.lost == verdict.unreported_duplicates == verdict.reported_duplicates == []
    await stage.stop_api()  # other journeys use the default wait
