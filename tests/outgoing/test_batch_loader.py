"""Lookups of many in one call: halved where one of them makes it fail. The calls are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.outcome import Concern, Deferred, Misconfigured, Outcome, Reason
from utskick.outgoing.batch_loader import FUTILE, MOST_CALLS, BatchLoader

FAULT = Deferred(Reason("register-fault", "an application fault"), concerns=Concern.RECIPIENT)
DOWN = Deferred(Reason("unreachable", "no connection"))


class Register:
    """A register that fails for a whole call where one of ``ill`` is in it."""

    def __init__(self, ill: Sequence[str] = (), failure: Outcome = FAULT) -> None:
        self.ill = set(ill)
        self.failure = failure
        self.calls: list[Sequence[str]] = []

    async def load(self, keys: Sequence[str]) -> Mapping[str, str] | Outcome:
        self.calls.append(keys)
        return self.failure if self.ill & set(keys) else {key: key.upper() for key in keys}

    async def ask(self, keys: Sequence[str]) -> list[str | Outcome | None]:
        loader = BatchLoader(self.load)
        return await asyncio.gather(*(loader.get(key) for key in keys))


KEYS = [f"k{number}" for number in range(80)]


@pytest.mark.parametrize("ill", ["k0", "k41", "k79"])
async def test_one_that_makes_the_call_fail_delays_no_other(ill: str) -> None:
    register = Register([ill])
    found = await register.ask(KEYS)
    assert dict(zip(KEYS, found, strict=True)) == {k: k.upper() for k in KEYS} | {ill: FAULT}
    assert len(register.calls) <= 1 + 2 * log2(128)


async def test_a_service_that_is_down_is_asked_once() -> None:
    for failure in (DOWN, Misconfigured(Reason("refused-login", "no"))):
        register = Register(KEYS, failure)
        assert await register.ask(KEYS) == [failure] * len(KEYS)
        assert len(register.calls) == 1


async def test_a_service_that_fails_whatever_it_is_asked_is_not_asked_for_long() -> None:
    keys = [f"k{number}" for number in range(1000)]
    register = Register(keys)
    assert await register.ask(keys) == [FAULT] * len(keys)
    assert len(register.calls) <= FUTILE + 2


async def test_a_service_that_goes_down_meanwhile_is_not_searched_further() -> None:
    register = Register(["k70"])

    async def load(keys: Sequence[str]) -> Mapping[str, str] | Outcome:
        return DOWN if len(register.calls) >= 3 else await register.load(keys)

    loader = BatchLoader(load)
    found = await asyncio.gather(*(loader.get(key) for key in KEYS))
    assert len(register.calls) == 3
    assert found[:40] == [key.upper() for key in KEYS[:40]]
    assert DOWN in found


@given(st.sets(st.integers(0, 79), max_size=4))
def test_up_to_one_in_twenty_ill_ones_are_found_and_all_others_served(ill: set[int]) -> None:
    register = Register([KEYS[number] for number in ill])
    found = asyncio.run(register.ask(KEYS))
    assert [key for key, value in zip(KEYS, found, strict=True) if value != key.upper()] == [
        KEYS[number] for number in sorted(ill)
    ]
    assert len(register.calls) <= MOST_CALLS
