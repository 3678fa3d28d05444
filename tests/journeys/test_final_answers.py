"""Journey: answers to synchronous calls are final, whenever workers are killed."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, Answer, Stage, numbers, sms_to
from utskick.sandbox.faults import FaultRule, ProviderFault

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-whole-service"),
]

COUNT = 40
POINTS = ("before-begin", "after-begin", "after-answer")
FINAL = {"SMS__UNSETTLED": "cancel", "HTTP__SYNC_WAIT": "3"}


@pytest.mark.parametrize("point", POINTS)
async def test_nothing_is_cancelled_and_sent(set_up: SetUp, point: str) -> None:
    """A third of the numbers is deferred for ever, a third at the first attempt, a third is sent;
    three workers in a row are killed."""
    stage = await set_up(
        ProviderBehaviour(response_delay=0.05),
        AccountSettings(settings={"delivery_reports": False}),
    )
    random = Random(point)
    recipients = numbers(COUNT)
    for number in recipients:
        times = random.choice((None, 1, 0))
        if times != 0:
            rule = FaultRule(ProviderFault.TEMPORARY, recipient=f"\\{number}$", times=times)
            stage.providers.faults.add(rule)
    await stage.api(**FINAL)
    calls = [asyncio.create_task(stage.post("sms", sms_to(number))) for number in recipients]
    for _ in range(3):
        worker = await stage.worker(DIE_AT=f"{point}:{random.randint(3, 8)}", **FINAL)
        await asyncio.wait([asyncio.create_task(worker.exit_status())], timeout=3)
    last = await stage.worker(**FINAL)
    answers = await asyncio.gather(*calls)
    stage.providers.faults.clear()  # all would be sent now
    await asyncio.sleep(2.5)  # longer than the patience of workers and the first pauses
    await stage.settle()
    await compare(stage, answers)
    await last.kill()
    await stage.stop_api()  # other journeys use the default wait


async def compare(stage: Stage, answers: list[Answer]) -> None:
    found = {}
    for answer in answers:
        assert answer.status in (201, 502), answer
        if answer.status == 502:
            delivery_id = answer.body["deliveryId"]
            stage.accepted[delivery_id] = "cancelled"
            found[delivery_id] = "502"
        else:
            found[answer.delivery_id] = answer.body["deliveries"][0]["status"]
    copies, later = stage.copies(), await stage.deliveries()
    assert "PENDING" not in found.values(), "every answer is final"
    assert "502" in found.values(), "some must have been cancelled"
    for delivery_id, told in found.items():
        delivery = later[delivery_id]
        assert delivery is not None
        received = len(copies.of(delivery_id))
        assert received <= 1
        if told == "502":
            assert received == 0, "cancelled and sent"
            assert delivery["status"] == "NOT_SENT"
        if told == "SENT":
            assert (received, delivery["status"]) == (1, "SENT")
        if received:
            assert delivery["status"] in ("SENT", "AWAITING_FEEDBACK")
