"""Bounds on connections and on memory, as rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.errors import Overloaded
from utskick.http.wire.connections import ConnectionLimits
from utskick.http.wire.memory import COPIES, MemoryBudget, MemoryShare


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_address_has_its_share_and_all_together_have_theirs() -> None:
    limits = ConnectionLimits(5, 2)
    assert [limits.admit("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert [limits.admit(f"192.0.2.{i}") for i in range(2, 6)] == [True, True, True, False]
    limits.release("192.0.2.1")
    assert limits.admit("192.0.2.9")
    assert not limits.admit("192.0.2.10")


def test_a_network_of_ipv6_and_a_mapped_address_count_as_one_address() -> None:
    limits = ConnectionLimits(10, 1)
    assert limits.admit("2001:db8:1:2::1")
    assert not limits.admit("2001:db8:1:2:ffff::9")
    assert limits.admit("2001:db8:1:3::1")
    assert limits.admit("192.0.2.1")
    assert not limits.admit("::ffff:192.0.2.1")


def test_what_was_refused_is_told_for_a_minute_and_counted_for_good() -> None:
    clock = Clock()
    limits = ConnectionLimits(1, 1, clock)
    assert limits.health() is None
    limits.admit("192.0.2.1")
    limits.admit("192.0.2.1")
    told = {"status": "DEGRADED", "open": 1, "limit": 1, "refused": 1}
    assert limits.health() == told
    clock.now += 61
    assert limits.health() == {**told, "status": "UP"}


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b", "c"])), max_size=60))
def test_as_many_are_open_as_were_admitted_and_have_not_ended(
    steps: list[tuple[bool, str]],
) -> None:
    limits, opened = ConnectionLimits(6, 3), list[str]()
    for comes, address in steps:
        if comes:
            fits = len(opened) < 6 and opened.count(address) < 3
            assert limits.admit(address) == fits
            opened += [address] if fits else []
        elif address in opened:
            opened.remove(address)
            limits.release(address)


def test_a_body_is_held_until_its_call_ends() -> None:
    budget = MemoryBudget(100 * COPIES)
    one, other = MemoryShare(budget), MemoryShare(budget)
    one.body(60)
    one.body(60)
    assert budget.used == 60 * COPIES
    with pytest.raises(Overloaded) as refused:
        other.body(41)
    assert refused.value.headers["Retry-After"] == "5"
    other.body(40)
    one.end()
    one.end()
    other.end()
    assert budget.used == 0


def test_one_call_alone_may_hold_more_than_the_budget() -> None:
    budget = MemoryBudget(100)
    one, other = MemoryShare(budget), MemoryShare(budget)
    one.body(10)
    one.body(5000)
    assert not other.answer(1)
    with pytest.raises(Overloaded):
        other.body(1)
    one.end()
    assert other.answer(5000)
    assert budget.health() is not None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=40))
def test_what_is_held_is_given_back_whatever_was_refused(steps: list[tuple[int, int]]) -> None:
    budget = MemoryBudget(1000)
    shares = [MemoryShare(budget) for _ in range(4)]
    for index, length in steps:
        try:
            shares[index].body(length)
        except Overloaded:
            shares[index].end()
        assert budget.used >= 0
    for share in shares:
        share.end()
    assert budget.used == 0
