"""Which account comes next, and how long a delivery waits in the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from tests.engine.test_retry import DELIVERY
from utskick.domain.channel import Account, Channel, Priority
from utskick.domain.delivery import Delivery
from utskick.domain.outcome import Concern, Deferred, Outcome, Reason, Sent
from utskick.domain.status import Status
from utskick.engine.accounts import AccountLimitsMap
from utskick.engine.turns import Turns

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WHY = Reason("why", "because")


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Carrier:
    """As much of a channel as limits look at."""

    name: str = "sms"
    accounts: tuple[Account, ...] = (Account("one", "p", 1, 5), Account("two", "p", 2, 5))


@dataclass(frozen=True)
class Desk:
    turns: Turns
    limits: AccountLimitsMap
    time: Time

    async def note(
        self,
        account: str,
        outcome: Outcome,
        times: int = 8,
        *,
        delivery: Delivery | None = None,
        destination: str | None = None,
    ) -> None:
        delivery = delivery or a_delivery()
        for _ in range(times):
            where = self.turns.turn(delivery, destination)
            async with self.turns.slot(delivery, account, where, lambda _: 1) as slot:
                slot.note(outcome)

    def choice(self, delivery: Delivery, destination: str | None = None) -> str | None:
        found = self.turns.choose(delivery, ("one", "two"), self.turns.turn(delivery, destination))
        return None if found is None else found[0]


def a_delivery(**more: Any) -> Delivery:
    made = replace(
        DELIVERY,
        id=uuid4(),
        status=Status.QUEUED,
        attempts=0,
        account=None,
        created_at=NOW,
        expires_at=NOW + timedelta(hours=48),
    )
    return replace(made, **more)


@pytest.fixture
def desk() -> Desk:
    time = Time()
    channels = cast(Mapping[str, Channel], {"sms": Carrier()})
    limits = AccountLimitsMap(channels, time)
    return Desk(Turns(limits, lambda: NOW, lambda: 0.5), limits, time)


async def test_the_second_account_carries_while_the_first_is_shut_and_it_is_probed_soon(
    desk: Desk,
) -> None:
    await desk.note("one", Deferred(WHY))
    assert desk.choice(a_delivery()) == "two"
    desk.time.now += 0.7
    assert desk.choice(a_delivery()) == "one", "traffic returns by a probe"
    assert desk.choice(a_delivery(doubts=1)) == "two", "but not by one in doubt first"
    await desk.note("one", Sent(), 1)
    assert desk.choice(a_delivery(doubts=1)) == "one"


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        ({}, True),
        ({"attempts": 1}, False),
        ({"attempts": 1, "doubts": 1}, False),
        ({"doubts": 1}, False),
    ],
    ids=["first", "retried", "doubtful", "doubt of another way"],
)
async def test_only_first_attempts_that_fail_speak_against_an_account(
    desk: Desk, state: dict[str, int], counts: bool
) -> None:
    """A further attempt of the same delivery may fail by its recipient's fault."""
    await desk.note("one", Deferred(WHY), delivery=a_delivery(**state))
    assert desk.choice(a_delivery()) == ("two" if counts else "one")


async def test_where_all_are_shut_for_a_moment_it_is_waited_for_in_memory_once(desk: Desk) -> None:
    await desk.note("one", Deferred(WHY))
    desk.time.now += 0.1
    await desk.note("two", Deferred(WHY))
    found = desk.turns.choose(a_delivery(), ("one", "two"), desk.turns.turn(a_delivery(), None))
    assert found is not None
    account, turn = found
    assert (account, turn.patient) == ("one", True)
    assert desk.turns.choose(a_delivery(), ("one", "two"), turn) is None


async def all_shut(desk: Desk, pauses: int = 6) -> None:
    for account in ("one", "two"):
        await desk.note(account, Deferred(WHY))
    for _ in range(pauses):
        desk.time.now += 60
        for account in ("one", "two"):
            await desk.note(account, Deferred(WHY), 1)


async def test_nobody_waits_in_memory_for_long_and_the_urgent_come_back_first(desk: Desk) -> None:
    await all_shut(desk)
    waits = {}
    for priority in Priority:
        delivery = a_delivery(priority=priority)
        assert desk.choice(delivery) is None
        waits[priority] = desk.turns.wait(delivery, ("one", "two"), desk.turns.turn(delivery, None))
    pause = desk.limits["sms", "one"].breaker.opens_in
    assert pause > 30
    assert waits[Priority.HIGH].seconds <= pause
    assert waits[Priority.NORMAL].seconds > pause
    assert waits[Priority.HIGH].names() == {
        "channel": "sms",
        "account": waits[Priority.HIGH].account,
        "destination": "",
    }


async def test_a_delivery_comes_back_before_it_expires(desk: Desk) -> None:
    await all_shut(desk)
    delivery = a_delivery(expires_at=NOW + timedelta(seconds=10))
    wait = desk.turns.wait(delivery, ("one", "two"), desk.turns.turn(delivery, None))
    assert wait.seconds == pytest.approx(9)


async def test_the_destination_that_is_waited_for_is_named_and_remembered(desk: Desk) -> None:
    ill = Deferred(WHY, concerns=Concern.DESTINATION)
    for account in ("one", "two"):
        await desk.note(account, ill, destination="ill.example")
    for _ in range(4):
        desk.time.now += 30
        for account in ("one", "two"):
            await desk.note(account, ill, 1, destination="ill.example")
    delivery = a_delivery()
    assert desk.turns.still(delivery, lambda: ("one", "two")) is None
    wait = desk.turns.wait(delivery, ("one", "two"), desk.turns.turn(delivery, "ill.example"))
    assert wait.destination == "ill.example"
    again = desk.turns.still(delivery, lambda: ("one", "two"))
    assert again is not None
    assert again.destination == "ill.example"
    desk.time.now += 200
    assert desk.turns.still(delivery, lambda: ("one", "two")) is None, "it may be probed"
    assert desk.turns.still(a_delivery(), lambda: ("one", "two")) is None
    assert desk.choice(delivery, "well.example") == "one"


async def test_the_units_of_an_attempt_are_asked_for_only_where_a_rate_counts_them() -> None:
    time, asked = Time(), list[str]()

    def units(account: str) -> int:
        asked.append(account)
        return 4

    carrier = Carrier(accounts=(Account("one", "p", 1, 5), Account("two", "p", 2, 5, rate=10)))
    limits = AccountLimitsMap({"sms": carrier}, time)  # type: ignore[dict-item]
    turns = Turns(limits, lambda: NOW, lambda: 0.5)
    delivery = a_delivery()
    turn = turns.turn(delivery, None)
    assert turns.slot(delivery, "one", turn, units).units == 1
    assert turns.slot(delivery, "two", turn, units).units == 4
    assert asked == ["two"]
