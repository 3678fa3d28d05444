"""Slots by priority, the rate limit, and the circuit breaker. The clock is injected."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from utskick.domain.channel import Account, Priority
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.engine.limits import AccountLimits

WHY = Reason("why", "because")


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def pace(concurrency: int = 5, rate: float | None = None) -> tuple[AccountLimits, Time]:
    time = Time()
    return AccountLimits(Account("a", "link", 1, concurrency, rate), time), time


async def test_never_more_than_the_limit_and_bulk_leaves_room() -> None:
    paced, _ = pace(5)
    running, peak = 0, 0
    gate = asyncio.Event()

    async def send(priority: Priority) -> None:
        nonlocal running, peak
        async with paced.slot(priority):
            running += 1
            peak = max(peak, running)
            await gate.wait()
            running -= 1

    bulk = [asyncio.create_task(send(Priority.BULK)) for _ in range(20)]
    await asyncio.sleep(0)
    assert running == 4, "one slot is kept for those who cannot wait"
    urgent = asyncio.create_task(send(Priority.HIGH))
    await asyncio.sleep(0)
    assert running == 5
    gate.set()
    await asyncio.gather(*bulk, urgent)
    assert peak == 5


async def test_the_urgent_pass_the_others() -> None:
    paced, _ = pace(1)
    order: list[Priority] = []

    async def send(priority: Priority) -> None:
        async with paced.slot(priority):
            order.append(priority)
            await asyncio.sleep(0)

    await asyncio.gather(
        *(send(p) for p in (Priority.BULK, Priority.BULK, Priority.NORMAL, Priority.HIGH))
    )
    assert order == [Priority.BULK, Priority.HIGH, Priority.NORMAL, Priority.BULK]


async def test_a_cancelled_waiter_gives_its_slot_away() -> None:
    paced, _ = pace(1)
    async with paced.slot(Priority.NORMAL):
        waiting = asyncio.create_task(asyncio.wait_for(_pass(paced), 5))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(_pass(paced), 1)


async def _pass(paced: AccountLimits) -> None:
    async with paced.slot(Priority.NORMAL):
        pass


async def test_the_rate_spaces_the_calls() -> None:
    paced, time = pace(10, rate=50)
    passed: list[float] = []

    async def send() -> None:
        async with paced.slot(Priority.NORMAL):
            passed.append(time.now)

    tasks = [asyncio.create_task(send()) for _ in range(3)]
    await asyncio.sleep(0)
    assert len(passed) == 1
    for expected in (2, 3):
        time.now += 0.02
        async with asyncio.timeout(2):
            while len(passed) < expected:
                await asyncio.sleep(0.005)
    await asyncio.gather(*tasks)
    assert passed == pytest.approx([100.0, 100.02, 100.04])


@pytest.mark.parametrize(
    ("outcome", "times"), [(Deferred(WHY), 8), (Misconfigured(WHY), 8), (Uncertain(WHY), 4)]
)
def test_the_circuit_of_a_failing_provider_opens_and_is_then_probed(
    outcome: Outcome, times: int
) -> None:
    paced, time = pace()
    for _ in range(times - 1):
        paced.note(outcome)
        assert not paced.shut
    paced.note(outcome)
    assert paced.shut
    assert paced.opens_in == pytest.approx(5)
    time.now += 5.1
    assert not paced.shut
    paced.note(outcome)
    assert paced.opens_in == pytest.approx(10), "still ill: twice as long"
    time.now += 10.1
    paced.note(Sent())
    assert not paced.shut


def test_a_refused_recipient_does_not_open_the_circuit() -> None:
    paced, _ = pace()
    for _ in range(50):
        paced.note(Rejected(WHY))
    assert not paced.shut


async def test_only_one_probe_at_a_time() -> None:
    paced, time = pace()
    for _ in range(8):
        paced.note(Deferred(WHY))
    time.now += 6
    async with paced.slot(Priority.NORMAL):
        assert paced.shut


def test_repeated_throttling_pauses_the_account_for_as_long_as_the_provider_asked() -> None:
    paced, _ = pace()
    throttled = Deferred(Reason("throttled", "slow down"), timedelta(seconds=30))
    paced.note(throttled)
    paced.note(throttled)
    assert not paced.shut
    paced.note(throttled)
    assert paced.opens_in == pytest.approx(30)


async def test_limits_are_shared_among_workers() -> None:
    paced, _ = pace(10)
    paced.share(4)
    entered = 0

    async def send() -> None:
        nonlocal entered
        async with paced.slot(Priority.HIGH):
            entered += 1
            await asyncio.sleep(3600)

    tasks = [asyncio.create_task(send()) for _ in range(10)]
    await asyncio.sleep(0)
    assert entered == 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_waiter_is_refused_when_the_circuit_has_opened_meanwhile() -> None:
    paced, time = pace(1)
    admitted: list[bool] = []

    async def send() -> None:
        async with paced.slot(Priority.NORMAL) as welcome:
            admitted.append(welcome)

    async with paced.slot(Priority.NORMAL) as first:
        waiting = [asyncio.create_task(send()) for _ in range(3)]
        await asyncio.sleep(0)
        for _ in range(4):
            paced.note(Uncertain(WHY))
    await asyncio.gather(*waiting)
    assert first
    assert admitted == [False, False, False]
    time.now += 6
    async with paced.slot(Priority.NORMAL) as probe:
        assert probe
    assert not paced.shut, "a probe that learnt nothing leaves the way open for the next"
