"""Slots by priority, the rate limit, and the circuit breaker. The clock is injected."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from utskick.domain.channel import Account, Priority
from utskick.domain.outcome import Concern, Deferred, Reason, Sent, Uncertain
from utskick.engine.destinations import HELD_BY_ACCOUNT, MOST, Turn
from utskick.engine.limits import AccountLimits

WHY = Reason("why", "because")
NORMAL = Turn(Priority.NORMAL)


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
        async with paced.slot(Turn(priority)):
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
        async with paced.slot(Turn(priority)):
            order.append(priority)
            await asyncio.sleep(0)

    await asyncio.gather(
        *(send(p) for p in (Priority.BULK, Priority.BULK, Priority.NORMAL, Priority.HIGH))
    )
    assert order == [Priority.BULK, Priority.HIGH, Priority.NORMAL, Priority.BULK]


async def test_a_cancelled_waiter_gives_its_slot_away() -> None:
    paced, _ = pace(1)
    async with paced.slot(NORMAL):
        waiting = asyncio.create_task(asyncio.wait_for(_pass(paced), 5))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(_pass(paced), 1)


async def _pass(paced: AccountLimits) -> None:
    async with paced.slot(NORMAL):
        pass


async def test_the_rate_spaces_the_calls() -> None:
    paced, time = pace(10, rate=50)
    passed: list[float] = []

    async def send() -> None:
        async with paced.slot(NORMAL):
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


async def test_one_of_several_units_takes_the_time_of_all_of_them() -> None:
    paced, time = pace(10, rate=50)
    passed: list[float] = []

    async def send(units: int) -> None:
        async with paced.slot(Turn(Priority.NORMAL, units=units)):
            passed.append(time.now)

    tasks = [asyncio.create_task(send(units)) for units in (4, 1, 1)]
    await asyncio.sleep(0)
    assert len(passed) == 1
    for wait, expected in ((0.06, 1), (0.02, 2), (0.02, 3)):
        time.now += wait
        paced.share(1)
        await asyncio.sleep(0.1)
        assert len(passed) == expected
    await asyncio.gather(*tasks)
    assert passed == pytest.approx([100.0, 100.08, 100.1])


def test_the_rate_is_divided_among_the_workers() -> None:
    paced, time = pace(10, rate=50)
    paced.share(5)
    assert not paced.shut(NORMAL)

    async def passes() -> list[float]:
        passed: list[float] = []

        async def send() -> None:
            async with paced.slot(NORMAL):
                passed.append(time.now)

        tasks = [asyncio.create_task(send()) for _ in range(3)]
        await asyncio.sleep(0)
        for expected in (2, 3):
            time.now += 0.099
            await asyncio.sleep(0.15)
            assert len(passed) == expected - 1, "ten a second for each of five"
            time.now += 0.001
            async with asyncio.timeout(2):
                while len(passed) < expected:
                    await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)
        return passed

    assert asyncio.run(passes()) == pytest.approx([100.0, 100.1, 100.2])


async def test_limits_are_shared_among_workers() -> None:
    paced, _ = pace(10)
    paced.share(4)
    entered = 0

    async def send() -> None:
        nonlocal entered
        async with paced.slot(Turn(Priority.HIGH)):
            entered += 1
            await asyncio.sleep(3600)

    tasks = [asyncio.create_task(send()) for _ in range(10)]
    await asyncio.sleep(0)
    assert entered == 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_waiter_is_refused_when_the_circuit_has_opened_meanwhile() -> None:
    paced, _ = pace(1)
    admitted: list[bool] = []

    async def send() -> None:
        async with paced.slot(NORMAL) as slot:
            admitted.append(slot.admitted)

    async with paced.slot(NORMAL) as first:
        waiting = [asyncio.create_task(send()) for _ in range(3)]
        await asyncio.sleep(0)
        for _ in range(4):
            first.note(Uncertain(WHY))
        await asyncio.gather(*waiting)
    assert first.admitted
    assert admitted == [False, False, False]


async def test_ill_then_sent_then_all_slots_at_once() -> None:
    paced, time = pace(5)
    await fall_ill(paced)
    assert paced.shut(NORMAL)
    time.now += 1
    async with paced.slot(NORMAL) as probe:
        assert paced.shut(NORMAL), "one probe at a time"
        probe.note(Sent())
        assert not paced.shut(NORMAL)
    assert await running(paced, 7) == 5


async def test_a_probe_that_learnt_nothing_leaves_the_way_open_for_the_next() -> None:
    paced, time = pace(1)
    await fall_ill(paced)
    time.now += 1
    async with paced.slot(NORMAL) as probe:
        assert probe.admitted
    assert not paced.shut(NORMAL)


async def test_the_most_urgent_waits_in_memory_and_probes_first() -> None:
    paced, time = pace(3)
    await fall_ill(paced)
    order: list[Priority] = []

    async def send(priority: Priority, *, doubtful: bool = False) -> None:
        async with paced.slot(Turn(priority, None, doubtful, patient=True)) as slot:
            if slot.admitted:
                order.append(priority)
                slot.note(Sent())

    tasks = [
        asyncio.create_task(send(Priority.HIGH, doubtful=True)),
        asyncio.create_task(send(Priority.BULK)),
        asyncio.create_task(send(Priority.NORMAL)),
    ]
    await asyncio.sleep(0)
    assert order == []
    time.now += 1
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert order[0] is Priority.NORMAL, "the most urgent of those that are not in doubt"
    assert len(order) == 3


async def test_one_in_doubt_probes_when_no_other_comes() -> None:
    paced, time = pace(1)
    await fall_ill(paced)
    doubtful = Turn(Priority.HIGH, None, doubtful=True)
    time.now += 1
    assert paced.shut(doubtful)
    assert not paced.shut(NORMAL)
    time.now += 2
    assert not paced.shut(doubtful)


async def test_one_that_failed_before_leaves_the_probe_to_another_for_a_moment() -> None:
    """Its recipient may be what is ill."""
    paced, time = pace(1)
    await fall_ill(paced)
    time.now += 0.7
    assert paced.shut(Turn(Priority.NORMAL, retried=True))
    assert not paced.shut(Turn(Priority.HIGH, retried=True)), "an urgent one goes first"
    assert not paced.shut(NORMAL)
    time.now += 0.2
    assert not paced.shut(Turn(Priority.NORMAL, retried=True))


async def test_only_the_most_urgent_few_wait_in_memory() -> None:
    paced, time = pace(3)
    await fall_ill(paced)
    bulk = [asyncio.create_task(admitted(paced, Turn(Priority.BULK, patient=True))) for _ in "ab"]
    normal = [
        asyncio.create_task(admitted(paced, Turn(Priority.NORMAL, patient=True)))
        for _ in range(HELD_BY_ACCOUNT)
    ]
    assert await asyncio.wait_for(asyncio.gather(*bulk), 5) == [False, False]
    time.now += 1
    assert all(await asyncio.wait_for(asyncio.gather(*normal), 5))


async def test_nobody_waits_in_memory_for_a_long_pause() -> None:
    paced, time = pace(1)
    await fall_ill(paced)
    for _ in range(4):
        time.now += 10
        async with paced.slot(NORMAL) as probe:
            probe.note(Deferred(WHY))
    assert paced.wait(NORMAL) > 4
    assert not paced.holds(NORMAL)
    assert not await admitted(paced, Turn(Priority.HIGH, patient=True))


@pytest.mark.parametrize("destination", [None, "ill.example"])
async def test_who_waits_in_memory_is_refused_when_the_pause_grows_long(
    destination: str | None,
) -> None:
    paced, time = pace(2)
    ill = Deferred(WHY, None, Concern.DESTINATION if destination else Concern.ACCOUNT)
    await fall_ill(paced, destination)
    time.now += 1
    async with paced.slot(Turn(Priority.NORMAL, destination)) as probe:
        probe.note(ill)
    time.now += 2
    async with paced.slot(Turn(Priority.NORMAL, destination)) as probe:
        held = asyncio.create_task(admitted(paced, Turn(Priority.HIGH, destination, patient=True)))
        await asyncio.sleep(0)
        assert not held.done()
        probe.note(ill)
        assert not await asyncio.wait_for(held, 5)


async def test_who_comes_while_all_slots_hang_and_the_circuit_is_open_is_refused_at_once() -> None:
    paced, _ = pace(1)
    async with paced.slot(NORMAL) as hanging:
        for _ in range(4):
            hanging.note(Uncertain(WHY))
        assert not await asyncio.wait_for(admitted(paced, Turn(Priority.HIGH)), 5)


async def fall_ill(paced: AccountLimits, destination: str | None = None) -> None:
    concerns = Concern.DESTINATION if destination else Concern.ACCOUNT
    for _ in range(8):
        async with paced.slot(Turn(Priority.NORMAL, destination)) as slot:
            slot.note(Deferred(WHY, None, concerns))


async def admitted(paced: AccountLimits, turn: Turn) -> bool:
    async with paced.slot(turn) as slot:
        if slot.admitted:
            slot.note(Sent())
        return slot.admitted


async def running(paced: AccountLimits, count: int, destination: str | None = None) -> int:
    """How many of so many attempts run at the same time."""
    entered = 0

    async def send() -> None:
        nonlocal entered
        async with paced.slot(Turn(Priority.HIGH, destination)):
            entered += 1
            await asyncio.sleep(3600)

    tasks = [asyncio.create_task(send()) for _ in range(count)]
    await asyncio.sleep(0)
    found = entered
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


# -- destinations ----------------------------------------


async def test_an_ill_destination_holds_no_other_and_not_the_account() -> None:
    paced, _ = pace(5)
    await fall_ill(paced, "ill.example")
    assert paced.shut(Turn(Priority.HIGH, "ill.example"))
    assert paced.blocks(Turn(Priority.HIGH, "ill.example")) == "ill.example"
    for healthy in ("well.example", None):
        assert not paced.shut(Turn(Priority.NORMAL, healthy))
        assert await admitted(paced, Turn(Priority.NORMAL, healthy))


async def test_an_ill_account_is_told_as_the_account() -> None:
    paced, _ = pace(5)
    await fall_ill(paced)
    assert paced.shut(Turn(Priority.HIGH, "well.example"))
    assert paced.blocks(Turn(Priority.HIGH, "well.example")) is None


@pytest.mark.parametrize(("limit", "room"), [(1, 1), (2, 1), (5, 4), (24, 20)])
async def test_one_destination_never_takes_all_slots(limit: int, room: int) -> None:
    paced, _ = pace(limit)
    assert await running(paced, 2 * limit, "slow.example") == room


async def test_waiting_for_a_destination_takes_no_slot_of_the_account() -> None:
    paced, _ = pace(5)
    gate = asyncio.Event()

    async def slow() -> None:
        async with paced.slot(Turn(Priority.HIGH, "slow.example")):
            await gate.wait()

    tasks = [asyncio.create_task(slow()) for _ in range(20)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(admitted(paced, Turn(Priority.BULK, "well.example")), 5)
    gate.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def test_a_destination_that_fails_has_few_slots_until_it_is_well() -> None:
    paced, _ = pace(8)
    async with paced.slot(Turn(Priority.NORMAL, "ailing.example")) as slot:
        slot.note(Deferred(WHY, None, Concern.DESTINATION))
    assert await running(paced, 8, "ailing.example") == 2
    for _ in range(40):
        assert await admitted(paced, Turn(Priority.NORMAL, "ailing.example"))
    assert await running(paced, 8, "ailing.example") == 7


async def test_who_would_wait_too_long_for_a_slow_destination_goes_back_to_the_queue() -> None:
    paced, time = pace(5)
    gate = asyncio.Event()
    turn = Turn(Priority.NORMAL, "slow.example")

    async def slow() -> bool:
        async with paced.slot(turn) as slot:
            if slot.admitted:
                await gate.wait()
            return slot.admitted

    tasks = [asyncio.create_task(slow()) for _ in range(20)]
    await asyncio.sleep(0)
    time.now += 2.0
    async with asyncio.timeout(5):
        while sum(task.done() for task in tasks) < 14:
            await asyncio.sleep(0.02)
    assert paced.shut(turn)
    assert not paced.holds(turn)
    assert paced.wait(turn) == pytest.approx(5)
    gate.set()
    found = await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert found.count(True) == 6, "four running, and two that it will get to within five seconds"


async def test_a_cancelled_waiter_of_a_destination_leaves_no_trace() -> None:
    paced, _ = pace(2)
    turn = Turn(Priority.NORMAL, "slow.example")
    async with paced.slot(turn):
        waiting = asyncio.create_task(admitted(paced, turn))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert await asyncio.wait_for(admitted(paced, turn), 5)


async def test_a_destination_that_is_in_use_is_kept() -> None:
    paced, _ = pace(5)
    busy = Turn(Priority.NORMAL, "busy.example")
    async with paced.slot(busy) as slot:
        kept = slot.destination
        for number in range(2 * MOST):
            assert await admitted(paced, Turn(Priority.NORMAL, f"{number}.example"))
        async with paced.slot(busy) as second:
            assert second.destination is kept


async def test_a_probe_of_a_destination_that_learnt_nothing_makes_room_for_the_next() -> None:
    paced, time = pace(5)
    ill = Turn(Priority.NORMAL, "ill.example")
    await fall_ill(paced, "ill.example")
    time.now += 1
    async with paced.slot(ill):
        assert paced.shut(ill)
    assert not paced.shut(ill)


async def test_who_waits_for_a_destination_is_refused_when_its_circuit_opens() -> None:
    paced, _ = pace(5)
    ill = Turn(Priority.NORMAL, "ill.example")
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(paced.slot(ill)) for _ in range(4)]
        parked = [asyncio.create_task(admitted(paced, ill)) for _ in range(3)]
        await asyncio.sleep(0)
        for _ in range(2):
            for slot in running:
                slot.note(Deferred(WHY, None, Concern.DESTINATION))
        assert await asyncio.wait_for(asyncio.gather(*parked), 5) == [False] * 3


async def test_idle_destinations_are_dropped_and_open_ones_are_kept() -> None:
    paced, _ = pace(5)
    await fall_ill(paced, "ill.example")
    for number in range(3 * MOST):
        assert await admitted(paced, Turn(Priority.NORMAL, f"{number}.example"))
    assert len(paced._destinations) <= MOST
    assert paced.shut(Turn(Priority.NORMAL, "ill.example"))


async def test_a_circuit_that_nobody_needs_is_closed_after_a_while() -> None:
    changes: list[tuple[str | None, bool]] = []
    time = Time()
    paced = AccountLimits(
        Account("a", "link", 1, 5),
        time,
        lambda name, breaker: changes.append((name, breaker.is_closed)),
    )
    await fall_ill(paced, "ill.example")
    time.now += 300
    paced.share(1)
    assert changes == [("ill.example", False)]
    time.now += 400
    paced.share(1)
    assert changes == [("ill.example", False), ("ill.example", True)]
