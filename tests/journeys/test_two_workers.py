"""Journey: two workers share a database and a batch."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, eventually, numbers

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-workers"),
]


async def test_two_workers_share_a_batch_and_send_each_delivery_once(set_up: SetUp) -> None:
    stage = await set_up(
        ProviderBehaviour(response_delay=0.05), AccountSettings(settings={"concurrency": 40})
    )
    await stage.api()
    workers = [await stage.worker(), await stage.worker()]

    async def both_are_there() -> bool:
        return len(await stage.environment.rows("SELECT FROM workers")) == 2

    await eventually(both_are_there, "both workers have signed on", 15)
    batch_id = await stage.batch("sms", numbers(400))
    await stage.settle()
    for delivery_id in list(stage.accepted)[-5:]:
        await stage.wait_for_lifecycle(delivery_id, "delivered")
    verdict = await stage.compare()
    assert (
        verdict.lost
        == verdict.unreported_duplicates
        == verdict.reported_duplicates
        == verdict.uncertain
        == []
    )
    assert len(stage.providers.ledger) == sum((await stage.counts(batch_id)).values()) == 400
    shares = {
        row["worker"]: row["n"]
        for row in await stage.environment.rows(
            "SELECT worker, count(*) AS n FROM attempts GROUP BY worker"
        )
    }
    assert {int(name.partition("/")[2]) for name in shares} == {worker.pid for worker in workers}
    assert sum(shares.values()) == 400
    assert min(shares.values()) >= 40, "neither is left with crumbs"
