"""Journey: the API is killed while callers post; repeated requests are sent once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from tests.journeys.conftest import SetUp
from tests.journeys.process import Process
from tests.journeys.stage import AccountSettings, Stage, numbers, sms_to

pytestmark = [
    pytest.mark.journey,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("journey-killed-api"),
]

CALLERS, EACH = 16, 6


@dataclass
class Callers:
    """Sixteen concurrent callers with different numbers.

    ``answers``: recipient → delivery ids of the responses.
    """

    stage: Stage
    answers: dict[str, list[str]] = field(default_factory=dict)
    enough: int = 10**9
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def post(self, number: str, *, path: str, **headers: str) -> bool:
        """Post a message; return False if the connection fails before the response."""
        try:
            answer = await self.stage.post(path, sms_to(number), **headers)
        except (aiohttp.ClientError, OSError):
            return False
        if answer.status in (409, 503):
            assert float(answer.headers["Retry-After"]) > 0
            return False
        assert answer.status == 201, answer
        self.answers.setdefault(number, []).append(answer.delivery_id)
        if sum(map(len, self.answers.values())) >= self.enough:
            self.reached.set()
        return True

    async def post_until_accepted(self, number: str, *, path: str) -> None:
        """Post with a key until accepted, and once more after that."""
        async with asyncio.timeout(40):
            for _ in range(2):
                while not await self.post(number, path=path, Idempotency_Key=f"key-of-{number}"):
                    await asyncio.sleep(0.1)

    def post_all(self, all_numbers: list[str], path: str) -> asyncio.Task[Any]:
        async def one(mine: list[str]) -> None:
            for number in mine:
                await self.post_until_accepted(number, path=path)

        return asyncio.ensure_future(
            asyncio.gather(*(one(all_numbers[i::CALLERS]) for i in range(CALLERS)))
        )


async def reopened(stage: Stage, dead: Process) -> None:
    assert await dead.exit_status(20) == -9, dead.log_text
    await stage.api(HTTP__SYNC_WAIT="3")


async def expect_one_message_each(callers: Callers, all_numbers: list[str]) -> None:
    await callers.stage.settle()
    verdict = await callers.stage.compare()
    assert (
        verdict.lost
        == verdict.unreported_duplicates
        == verdict.reported_duplicates
        == verdict.held
        == []
    )
    assert Counter(entry.recipient for entry in callers.stage.providers.entries()) == Counter(
        all_numbers
    )
    assert all(len(ids) == 2 and len(set(ids)) == 1 for ids in callers.answers.values()), (
        "a key has one answer"
    )
    assert callers.answers.keys() == set(all_numbers)


@pytest.mark.parametrize("point", ["before-accept:40", "after-accept:40"])
@pytest.mark.parametrize("path", ["sms?async=true", "sms"])
async def test_a_repeated_request_with_its_key_after_a_crash_has_one_message(
    set_up: SetUp, point: str, path: str
) -> None:
    stage, all_numbers = await set_up(), numbers(CALLERS * EACH)
    await stage.worker()
    api = await stage.api(DIE_AT=point, HTTP__SYNC_WAIT="3")
    callers = Callers(stage)
    posting = callers.post_all(all_numbers, path)
    await reopened(stage, api)
    await asyncio.wait_for(posting, 60)
    await expect_one_message_each(callers, all_numbers)


async def test_idempotency_keys_hold_when_the_api_is_killed_at_any_moment(set_up: SetUp) -> None:
    stage, all_numbers = await set_up(), numbers(CALLERS * EACH)
    await stage.worker()
    api = await stage.api()
    callers = Callers(stage, enough=50)
    posting = callers.post_all(all_numbers, "sms?async=true")
    await asyncio.wait_for(callers.reached.wait(), 30)
    await api.kill()
    await reopened(stage, api)
    await asyncio.wait_for(posting, 60)
    await expect_one_message_each(callers, all_numbers)


@pytest.mark.parametrize("how", ["before-accept:30", "after-accept:30", "any moment"])
async def test_accepted_messages_survive_killing_the_whole_service(set_up: SetUp, how: str) -> None:
    """Run API and worker in one process, without idempotency keys.

    A request without a response may have been accepted or not.
    """
    stage, all_numbers = (
        await set_up(account_settings=AccountSettings(settings={"delivery_reports": False})),
        numbers(CALLERS * EACH),
    )
    service = await stage.serve(**({} if how == "any moment" else {"DIE_AT": how}))
    callers = Callers(stage, enough=25)
    tries = [
        asyncio.ensure_future(callers.post(number, path="sms?async=true")) for number in all_numbers
    ]
    if how == "any moment":
        await asyncio.wait_for(callers.reached.wait(), 30)
        await service.kill()
    assert await service.exit_status(20) == -9, service.log_text
    answered = sum(await asyncio.wait_for(asyncio.gather(*tries), 40))
    assert 0 < answered < len(all_numbers) or how != "any moment"
    await stage.serve()
    await stage.settle()
    verdict = await stage.compare()
    assert len(verdict.lifecycles) == len(stage.accepted) == answered
    assert verdict.lost == verdict.unreported_duplicates == verdict.reported_duplicates == []
    assert sorted(verdict.held) == sorted(verdict.uncertain)
    assert all(
        copies == 1
        for copies in Counter(entry.recipient for entry in stage.providers.entries()).values()
    )
