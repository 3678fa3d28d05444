"""Journey: delivery reports come early, late, twice, or for nobody. All are kept, and none does
harm."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import Habits
from tests.journeys.stage import Stage, eventually, numbers, sms_to

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-whole-service"),
]

#: docs/reference/sandbox.md: the last two digits say how the gateway reports.
LATE, TWICE, EARLY, NEVER, FAILED = (
    f"+467000001{digits}" for digits in ("09", "10", "11", "12", "13")
)


async def receipts(stage: Stage, delivery_id: str, count: int) -> list[tuple[str, str]]:
    """(report, state) of each receipt of a delivery, when there are so many."""
    found: list[Any] = []

    async def there() -> bool:
        found[:] = await stage.ground.rows(
            "SELECT report, state FROM receipts WHERE delivery_id = $1::uuid AND state <> 'waiting' ORDER BY received_at, id",
            delivery_id,
        )
        return len(found) >= count

    await eventually(there, f"{count} receipts are kept")
    return [(row["report"], row["state"]) for row in found]


async def report(stage: Stage, ref_id: str, code: int) -> int:
    """As LINK would: the HTTP status of our answer."""
    return (
        await stage.call(
            "POST",
            stage.providers.gate.removeprefix(stage.ground.api_url),
            {"refId": ref_id, "resultCode": code},
        )
    ).status


async def test_reports_in_every_order_are_kept_and_the_status_is_right(set_up: SetUp) -> None:
    stage = await set_up()
    await stage.serve()
    ids = {
        number: (await stage.post("sms?async=true", sms_to(number))).delivery_id
        for number in (LATE, TWICE, EARLY, NEVER, FAILED)
    }
    for number in (TWICE, EARLY, LATE):
        await stage.become(ids[number], "delivered")
    await stage.become(ids[FAILED], "failed")
    await stage.become(ids[NEVER], "sent")
    assert await receipts(stage, ids[EARLY], 1) == [("delivered", "applied")]
    assert await receipts(stage, ids[LATE], 1) == [("delivered", "applied")]
    assert sorted(await receipts(stage, ids[TWICE], 2)) == [
        ("delivered", "applied"),
        ("delivered", "superseded"),
    ]
    assert await receipts(stage, ids[FAILED], 1) == [("failed", "applied")]
    story = await stage.story(ids[TWICE])
    assert story is not None
    assert [event["status"] for event in story["events"]] == [
        "queued",
        "sending",
        "sent",
        "delivered",
    ]


async def test_reports_that_contradict_an_earlier_one_or_speak_of_nothing_known_are_kept_and_harmless(
    set_up: SetUp,
) -> None:
    stage = await set_up()
    await stage.serve()
    delivery_id, stranger = (
        (await stage.post("sms?async=true", sms_to(numbers(1)[0]))).delivery_id,
        str(uuid4()),
    )
    await stage.become(delivery_id, "delivered")
    assert await report(stage, delivery_id, 1006) == 200
    assert await report(stage, stranger, 1001) == 200
    assert await receipts(stage, delivery_id, 2) == [
        ("delivered", "applied"),
        ("failed", "superseded"),
    ]
    rows = await stage.ground.rows(
        "SELECT state FROM receipts WHERE delivery_id = $1::uuid", stranger
    )
    assert [row["state"] for row in rows] == ["waiting"]
    assert (await stage.become(delivery_id, "delivered"))["attempts"] == 1


async def test_reports_that_come_while_the_service_is_down_are_taken_when_it_is_back(
    set_up: SetUp,
) -> None:
    """The provider tries again, and the service was killed before it could hear of it."""
    stage = await set_up(Habits(report_delay=0.8))
    service = await stage.serve()
    delivery_id = (await stage.post("sms?async=true", sms_to(numbers(1)[0]))).delivery_id
    await stage.become(delivery_id, "sent")
    await service.kill()
    await stage.serve()
    await stage.become(delivery_id, "delivered", 15)
