"""Journey: delivery reports that are early, late, repeated or unknown are stored harmlessly."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import Stage, eventually, numbers, sms_to

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-whole-service"),
]

#: The last two digits determine the delivery report (docs/reference/sandbox.md).
LATE, TWICE, EARLY, NEVER, FAILED = (
    f"+467000001{digits}" for digits in ("09", "10", "11", "12", "13")
)


async def receipts(stage: Stage, delivery_id: str, count: int) -> list[tuple[str, str]]:
    """Wait for a number of receipts of a delivery, and return (report, state) of each."""
    found: list[Any] = []

    async def there() -> bool:
        found[:] = await stage.environment.rows(
            "SELECT report, state FROM receipts WHERE delivery_id = $1::uuid AND state <> "
            "'waiting' ORDER BY received_at, id",
            delivery_id,
        )
        return len(found) >= count

    await eventually(there, f"{count} receipts are kept")
    return [(row["report"], row["state"]) for row in found]


async def report(stage: Stage, ref_id: str, code: int) -> int:
    """Post a report like LINK, and return the HTTP status."""
    return (
        await stage.call(
            "POST",
            stage.providers.report_url.removeprefix(stage.environment.api_url),
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
        await stage.wait_for_lifecycle(ids[number], "delivered")
    await stage.wait_for_lifecycle(ids[FAILED], "failed")
    await stage.wait_for_lifecycle(ids[NEVER], "sent")
    assert await receipts(stage, ids[EARLY], 1) == [("delivered", "applied")]
    assert await receipts(stage, ids[LATE], 1) == [("delivered", "applied")]
    assert sorted(await receipts(stage, ids[TWICE], 2)) == [
        ("delivered", "applied"),
        ("delivered", "superseded"),
    ]
    assert await receipts(stage, ids[FAILED], 1) == [("failed", "applied")]
    delivery = await stage.delivery(ids[TWICE])
    assert delivery is not None
    assert [event["status"] for event in delivery["events"]] == [
        "queued",
        "sending",
        "sent",
        "delivered",
    ]


async def test_contradicting_and_unknown_reports_are_stored_and_harmless(
    set_up: SetUp,
) -> None:
    stage = await set_up()
    await stage.serve()
    delivery_id, stranger = (
        (await stage.post("sms?async=true", sms_to(numbers(1)[0]))).delivery_id,
        str(uuid4()),
    )
    await stage.wait_for_lifecycle(delivery_id, "delivered")
    assert await report(stage, delivery_id, 1006) == 200
    assert await report(stage, stranger, 1001) == 200
    assert await receipts(stage, delivery_id, 2) == [
        ("delivered", "applied"),
        ("failed", "superseded"),
    ]
    rows = await stage.environment.rows(
        "SELECT state FROM receipts WHERE delivery_id = $1::uuid", stranger
    )
    assert [row["state"] for row in rows] == ["waiting"]
    assert (await stage.wait_for_lifecycle(delivery_id, "delivered"))["attempts"] == 1


async def test_reports_during_an_outage_are_accepted_afterwards(
    set_up: SetUp,
) -> None:
    """Kill the service before it receives a report, which the provider repeats."""
    stage = await set_up(ProviderBehaviour(report_delay=0.8))
    service = await stage.serve()
    delivery_id = (await stage.post("sms?async=true", sms_to(numbers(1)[0]))).delivery_id
    await stage.wait_for_lifecycle(delivery_id, "sent")
    await service.kill()
    await stage.serve()
    await stage.wait_for_lifecycle(delivery_id, "delivered", 15)
