"""Journey: PostgreSQL restarts twice under load without notice, and the service recovers."""

from __future__ import annotations

import asyncio

import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.providers import ProviderBehaviour
from tests.journeys.stage import AccountSettings, Stage, numbers, sms_to

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-database-restart"),
]


async def post_until_accepted(stage: Stage, number: str, refusals: list[float]) -> None:
    """Post until accepted; ``refusals`` collects the Retry-After of each 503."""
    async with asyncio.timeout(40):
        while True:
            answer = await stage.post(
                "sms?async=true", sms_to(number), Idempotency_Key=f"key-of-{number}"
            )
            if answer.status == 201:
                return
            assert answer.status in (503, 409), answer
            refusals.append(float(answer.headers["Retry-After"]))
            await asyncio.sleep(0.05)


async def post_steadily(stage: Stage, all_numbers: list[str], refusals: list[float]) -> None:
    for number in all_numbers:
        await post_until_accepted(stage, number, refusals)
        await asyncio.sleep(0.03)


async def test_nothing_is_lost_or_doubled_when_postgresql_restarts_twice_under_load(
    set_up: SetUp,
) -> None:
    stage = await set_up(
        ProviderBehaviour(response_delay=0.1), AccountSettings(settings={"delivery_reports": False})
    )
    api, worker = await stage.api(), await stage.worker()
    batch_id = await stage.batch("sms", numbers(300))
    await stage.providers.wait_for_messages(20)
    refusals: list[float] = []
    posting = asyncio.ensure_future(
        asyncio.gather(*(post_steadily(stage, numbers(40, 1 + i), refusals) for i in range(4)))
    )
    await asyncio.sleep(0.3)
    await stage.environment.restart_database()
    received = len(stage.providers.ledger)
    await stage.providers.wait_for_messages(received + 60)
    counts = await stage.counts(batch_id)
    assert not posting.done() or counts.get("queued", 0) + counts.get("sending", 0) > 0
    await stage.environment.restart_database()
    await asyncio.wait_for(posting, 60)
    await stage.settle(40)
    verdict = await stage.compare()
    assert api.alive
    assert worker.alive
    assert len(stage.accepted) == len(verdict.lifecycles) == 300 + 160
    assert (
        verdict.lost
        == verdict.unreported_duplicates
        == verdict.reported_duplicates
        == verdict.held
        == []
    )
    assert len(stage.providers.ledger) == len(stage.accepted)
    assert refusals, "in between there was no database"
    assert all(1 <= seconds <= 60 for seconds in refusals)


async def test_the_service_waits_for_a_database_that_can_only_be_read_for_a_while(
    set_up: SetUp,
) -> None:
    """Simulate a managed PostgreSQL with a full disk, or a standby before its promotion."""
    stage = await set_up(
        ProviderBehaviour(response_delay=0.1), AccountSettings(settings={"delivery_reports": False})
    )
    api, worker = await stage.api(), await stage.worker()
    await stage.batch("sms", numbers(60))
    await stage.providers.wait_for_messages(10)
    try:
        await stage.environment.rows(
            "ALTER DATABASE postgres SET default_transaction_read_only = on"
        )
        await stage.environment.restart_database()
        await asyncio.sleep(1)
        refused = await stage.post("sms?async=true", sms_to(numbers(1, 1)[0]))
        assert refused.status == 503, refused
        assert int(refused.headers["Retry-After"]) > 0
        assert len(stage.accepted) == 60
    finally:
        await stage.environment.rows(
            "BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT"
        )
        await stage.environment.restart_database()
    assert api.alive
    assert worker.alive
    await post_until_accepted(stage, numbers(1, 1)[0], [])
    await stage.settle()
    verdict = await stage.compare()
    assert len(verdict.lifecycles) == 61
    assert (
        verdict.lost
        == verdict.unreported_duplicates
        == verdict.reported_duplicates
        == verdict.held
        == []
    )
    assert len(stage.providers.ledger) == 61
