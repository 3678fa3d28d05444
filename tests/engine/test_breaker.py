"""The circuit breaker: what opens it, for how long, and what closes it. The clock is injected."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.outcome import (
    Concern,
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.engine.breaker import FIRST, JITTER, LAST, LONGEST, VOLUME, WINDOW, CircuitBreaker

WHY = Reason("why", "because")


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(own: Concern = Concern.ACCOUNT) -> tuple[CircuitBreaker, Time]:
    time = Time()
    return CircuitBreaker(own, time, lambda: 0.0), time


def attempt(circuit: CircuitBreaker, outcome: Outcome, *, repeated: bool = False) -> bool:
    return circuit.record(circuit.begin(), outcome, repeated=repeated)


def opened() -> tuple[CircuitBreaker, Time]:
    circuit, time = breaker()
    for _ in range(VOLUME):
        attempt(circuit, Deferred(WHY))
    assert not circuit.is_closed
    return circuit, time


@pytest.mark.parametrize(
    ("outcome", "times"), [(Deferred(WHY), 8), (Misconfigured(WHY), 8), (Uncertain(WHY), 4)]
)
def test_it_opens_at_the_volume_of_errors_and_uncertain_ones_weigh_more(
    outcome: Outcome, times: int
) -> None:
    circuit, _ = breaker()
    for _ in range(times - 1):
        attempt(circuit, outcome)
        assert circuit.is_closed
    assert attempt(circuit, outcome)
    assert circuit.is_blocked
    assert circuit.opens_in == pytest.approx(FIRST)
    assert circuit.reason == WHY


def test_half_of_the_window_must_be_errors() -> None:
    circuit, _ = breaker()
    for _ in range(200):
        attempt(circuit, Sent())
        attempt(circuit, Sent())
        attempt(circuit, Deferred(WHY))
    assert circuit.is_closed
    for _ in range(LAST):
        attempt(circuit, Deferred(WHY))
    assert not circuit.is_closed


def test_an_uncertain_one_weighs_two_on_both_sides() -> None:
    circuit, _ = breaker()
    for _ in range(9):
        attempt(circuit, Sent())
    for _ in range(4):
        attempt(circuit, Uncertain(WHY))
    assert circuit.is_closed, "8 of 17"
    attempt(circuit, Uncertain(WHY))
    assert not circuit.is_closed, "10 of 19"


def test_what_happened_before_it_opened_is_forgotten_when_it_closes() -> None:
    circuit, time = opened()
    time.now += circuit.opens_in
    attempt(circuit, Sent())
    for _ in range(2 * LAST):
        attempt(circuit, Sent())
    errors = 0
    while circuit.is_closed:
        attempt(circuit, Deferred(WHY))
        errors += 1
    assert errors == LAST / 2


def test_errors_older_than_the_window_are_forgotten() -> None:
    circuit, time = breaker()
    for _ in range(VOLUME * 3):
        attempt(circuit, Deferred(WHY))
        time.now += WINDOW / (VOLUME - 1) + 0.1
    assert circuit.is_closed


@pytest.mark.parametrize(
    "outcome",
    [
        Rejected(WHY),
        *(
            kind(WHY, concerns=whom)
            for kind in (Deferred, Misconfigured, Uncertain)
            for whom in (Concern.RECIPIENT, Concern.DESTINATION, Concern.OURSELVES)
        ),
    ],
)
def test_what_concerns_others_never_opens_it(outcome: Outcome) -> None:
    circuit, _ = breaker()
    for _ in range(10 * LAST):
        attempt(circuit, outcome)
        assert circuit.is_closed


@pytest.mark.parametrize("own", [Concern.ACCOUNT, Concern.DESTINATION])
def test_each_breaker_counts_its_own_concern(own: Concern) -> None:
    circuit, _ = breaker(own)
    for _ in range(VOLUME):
        attempt(circuit, Deferred(WHY, concerns=own))
    assert not circuit.is_closed


def test_a_delivery_that_is_uncertain_again_says_no_more_about_the_provider() -> None:
    circuit, _ = breaker()
    for _ in range(LAST):
        attempt(circuit, Uncertain(WHY), repeated=True)
    assert circuit.is_closed


def test_calls_in_flight_that_fail_after_it_opened_do_not_lengthen_the_pause() -> None:
    circuit, time = breaker()
    in_flight = [circuit.begin() for _ in range(50)]
    for period in in_flight:
        circuit.record(period, Deferred(WHY))
    assert circuit.opens_in == pytest.approx(FIRST)
    time.now += FIRST
    assert not circuit.is_blocked


def test_each_failed_probe_is_one_step_up_to_the_longest_pause() -> None:
    circuit, time = opened()
    pauses = []
    for _ in range(12):
        pauses.append(circuit.opens_in)
        time.now += circuit.opens_in
        assert not circuit.is_blocked
        attempt(circuit, Uncertain(WHY))
    assert pauses[:4] == pytest.approx([0.5, 1, 2, 4])
    assert pauses[-1] == LONGEST


@pytest.mark.parametrize("outcome", [Sent(), Rejected(WHY), Deferred(WHY, None, Concern.RECIPIENT)])
def test_a_good_probe_closes_it_and_the_next_pause_is_the_first_again(outcome: Outcome) -> None:
    circuit, time = opened()
    time.now += circuit.opens_in
    attempt(circuit, Deferred(WHY))
    time.now += circuit.opens_in
    assert attempt(circuit, outcome)
    assert circuit.is_closed
    for _ in range(VOLUME):
        assert circuit.is_closed
        attempt(circuit, Deferred(WHY))
    assert circuit.opens_in == pytest.approx(FIRST)


def test_one_probe_at_a_time_and_one_without_an_outcome_makes_room_for_the_next() -> None:
    circuit, time = opened()
    time.now += circuit.opens_in
    probe = circuit.begin()
    assert circuit.is_blocked
    assert not circuit.record(probe, Deferred(WHY, None, Concern.OURSELVES))
    assert not circuit.is_blocked
    probe = circuit.begin()
    circuit.end(probe)
    assert not circuit.is_blocked
    assert not circuit.is_closed


def test_a_late_success_of_before_does_not_close_it() -> None:
    circuit, _ = breaker()
    early = circuit.begin()
    for _ in range(VOLUME):
        attempt(circuit, Deferred(WHY))
    circuit.record(early, Sent())
    assert circuit.is_blocked


def test_repeated_throttling_opens_it_for_as_long_as_the_provider_asked() -> None:
    circuit, time = breaker()
    throttled = Deferred(Reason("throttled", "slow down"), timedelta(seconds=30))
    attempt(circuit, throttled)
    attempt(circuit, throttled)
    attempt(circuit, Sent())
    attempt(circuit, throttled)
    attempt(circuit, throttled)
    assert circuit.is_closed
    attempt(circuit, throttled)
    assert circuit.opens_in == pytest.approx(30)
    time.now += 30
    attempt(circuit, throttled)
    assert circuit.opens_in == pytest.approx(30), "the probe was throttled: as long again"


def test_a_throttle_of_days_is_probed_within_a_quarter_of_an_hour() -> None:
    circuit, _ = breaker()
    for _ in range(3):
        attempt(circuit, Deferred(Reason("throttled", "quota"), timedelta(days=7)))
    assert circuit.opens_in == 900


OUTCOMES = st.one_of(
    st.sampled_from([Sent(), Rejected(WHY)]),
    st.builds(
        lambda kind, whom: kind(WHY, concerns=whom),
        st.sampled_from([Deferred, Misconfigured, Uncertain]),
        st.sampled_from(list(Concern)),
    ),
)
STEPS = st.lists(
    st.one_of(
        st.just("begin"),
        st.tuples(st.integers(0, 20), OUTCOMES, st.booleans()),
        st.floats(0, 150).map(lambda seconds: ("pass", seconds)),
    ),
    max_size=120,
)


@given(STEPS)
def test_whatever_happens_it_never_pauses_too_long_and_probes_alone(steps: list[object]) -> None:
    circuit, time = breaker()
    running: list[tuple[int, bool]] = []
    for step in steps:
        pause = circuit.pause
        if step == "begin":
            if not circuit.is_blocked:
                probes = not circuit.is_closed
                running.append((circuit.begin(), probes))
                assert circuit.is_blocked == probes
        elif isinstance(step, tuple) and step[0] == "pass":
            time.now += step[1]
        elif isinstance(step, tuple) and running:
            number, outcome, repeated = step
            period, probes = running.pop(number % len(running))
            was_closed = circuit.is_closed
            changed = circuit.record(period, outcome, repeated=repeated)
            if isinstance(outcome, Sent | Rejected) and was_closed:
                assert circuit.is_closed, "a success opens nothing"
            if changed and not circuit.is_closed and not was_closed:
                assert probes, "only a probe lengthens the pause"
                assert circuit.pause <= max(2 * pause, FIRST) * (1 + JITTER)
        assert circuit.opens_in <= LONGEST * (1 + JITTER)
        if circuit.is_closed:
            assert not circuit.is_blocked


@given(st.lists(st.sampled_from([Sent(), Rejected(WHY)]), min_size=1, max_size=5))
def test_after_any_illness_one_good_answer_gives_everything_back(good: list[Outcome]) -> None:
    circuit, time = opened()
    time.now += circuit.opens_in
    for outcome in good:
        attempt(circuit, outcome)
    assert circuit.is_closed
    assert not circuit.is_blocked
    assert circuit.opens_in == 0


def test_a_delivery_that_fails_again_and_again_says_no_more_about_its_provider() -> None:
    """Ill recipients are tried again more and more often than healthy ones come."""
    circuit, _ = breaker()
    for _ in range(100):
        attempt(circuit, Deferred(WHY), repeated=True)
        attempt(circuit, Uncertain(WHY), repeated=True)
    assert circuit.is_closed
    assert not circuit.has_errors
