"""The move after an attempt, as a table, and as properties that hold for every outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utskick.domain.channel import Priority
from utskick.domain.delivery import Delivery
from utskick.domain.ids import new_id
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Reason,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.domain.status import MOVES, Status
from utskick.engine.retry import Policy, RetryContext, back_off, choose, next_move

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHY = Reason("why", "because")
DELIVERY = Delivery(
    id=new_id(),
    municipality_id="2281",
    batch_id=new_id(),
    message_id=new_id(),
    channel="sms",
    status=Status.SENDING,
    priority=Priority.NORMAL,
    attempts=1,
    tried=(),
    doubts=0,
    account="a",
    created_at=NOW,
    expires_at=NOW + timedelta(hours=48),
)


def situation(
    account: str = "a", able: tuple[str, ...] = ("a",), when: Literal["resend", "hold"] = "hold"
) -> RetryContext:
    return RetryContext(account, able, when, NOW, 0.5)


def test_what_was_sent_is_sent() -> None:
    move = next_move(Sent("ref"), DELIVERY, situation())
    assert (move.status, move.reference, move.due) == (Status.SENT, "ref", None)
    assert next_move(Sent(delivered=True), DELIVERY, situation()).status is Status.DELIVERED


def test_a_rejected_number_is_never_retried() -> None:
    move = next_move(Rejected(WHY), DELIVERY, situation(able=("a", "b")))
    assert (move.status, move.due) == (Status.FAILED, None)
    assert next_move(Rejected(WHY, polite=True), DELIVERY, situation()).reason == Reason(
        "declined-why", "because"
    )


@pytest.mark.parametrize("outcome", [Deferred(WHY), Misconfigured(WHY)])
def test_what_is_known_not_to_be_sent_goes_to_the_next_account_at_once(outcome: Outcome) -> None:
    move = next_move(outcome, DELIVERY, situation(able=("a", "b")))
    assert (move.status, move.due, move.tried) == (Status.DEFERRED, NOW, ("a",))
    last = next_move(
        outcome, replace(DELIVERY, tried=("a",), attempts=2), situation("b", ("a", "b"))
    )
    assert last.tried == ()
    assert last.due is not None
    assert last.due > NOW


@pytest.mark.parametrize("able", [("a",), ("a", "b")])
def test_an_uncertain_attempt_never_fails_over(able: tuple[str, ...]) -> None:
    move = next_move(Uncertain(WHY), DELIVERY, situation(able=able))
    assert (move.status, move.due, move.doubt) == (Status.UNCERTAIN, None, True)


def test_a_channel_that_resends_does_so_and_says_that_it_was_uncertain() -> None:
    move = next_move(Uncertain(WHY), DELIVERY, situation(when="resend"))
    assert (move.status, move.noted, move.doubt) == (Status.DEFERRED, Status.UNCERTAIN, True)
    assert move.due is not None
    third = next_move(Uncertain(WHY), replace(DELIVERY, doubts=2), situation(when="resend"))
    assert third.status is Status.UNCERTAIN, "three uncertain attempts are enough"


def test_a_time_that_the_provider_named_is_honoured() -> None:
    move = next_move(Deferred(WHY, timedelta(minutes=10)), DELIVERY, situation())
    assert move.due == NOW + timedelta(minutes=10)


def test_there_is_an_end() -> None:
    late = replace(DELIVERY, expires_at=NOW + timedelta(seconds=1))
    assert (
        next_move(Deferred(WHY, timedelta(minutes=10)), late, situation()).status is Status.EXPIRED
    )
    assert next_move(Uncertain(WHY), late, situation(when="resend")).status is Status.UNCERTAIN, (
        "not known is not expired"
    )


@given(rounds=st.integers(1, 200), random=st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_the_ceiling_and_stay_within_the_jitter(rounds: int, random: float) -> None:
    policy = Policy()
    plain = min(policy.ceiling, policy.first * 2 ** min(rounds - 1, 20))
    assert (
        plain * (1 - policy.jitter)
        <= back_off(rounds, random, policy)
        <= plain * (1 + policy.jitter)
    )


OUTCOMES = st.one_of(
    st.builds(Sent, st.none() | st.just("r"), st.booleans()),
    st.builds(Deferred, st.just(WHY), st.none() | st.timedeltas(timedelta(0), timedelta(days=9))),
    st.builds(Rejected, st.just(WHY), st.booleans()),
    st.just(Uncertain(WHY)),
    st.just(Misconfigured(WHY)),
)


@given(
    outcome=OUTCOMES,
    attempts=st.integers(1, 500),
    doubts=st.integers(0, 9),
    tried=st.sets(st.sampled_from("abc")).map(lambda s: tuple(sorted(s))),
    when=st.sampled_from(["resend", "hold"]),
    left=st.timedeltas(timedelta(0), timedelta(hours=48)),
)
def test_every_move_is_legal_and_a_due_time_never_outlives_the_message(
    outcome: Outcome,
    attempts: int,
    doubts: int,
    tried: tuple[str, ...],
    when: Literal["resend", "hold"],
    left: timedelta,
) -> None:
    delivery = replace(
        DELIVERY, attempts=attempts, doubts=doubts, tried=tried, expires_at=NOW + left
    )
    move = next_move(outcome, delivery, situation(able=("a", "b", "c"), when=when))
    assert move.status in MOVES[Status.SENDING]
    assert (move.due is not None) == (move.status in (Status.DEFERRED, Status.QUEUED))
    if move.due is not None and move.due > NOW:
        assert move.due < delivery.expires_at
    if isinstance(outcome, Uncertain):
        assert move.doubt


def test_choose_prefers_what_was_not_tried_and_leaves_shut_accounts_alone() -> None:
    assert choose("abc", (), ()) == "a"
    assert choose("abc", ("a",), ()) == "b"
    assert choose("abc", ("a",), ("b",)) == "c"
    assert choose("ab", ("a", "b"), ()) == "a"
    assert choose("ab", (), ("a", "b")) is None


def test_the_waits_of_the_moves_grow_with_the_rounds_of_accounts() -> None:
    """Of ``next_move``, not of ``back_off`` alone: a round is one attempt by each account."""

    def wait(attempts: int, able: tuple[str, ...]) -> float:
        tried = tuple(each for each in able if each != able[-1])
        failed = replace(
            DELIVERY, attempts=attempts, tried=tried, expires_at=NOW + timedelta(days=9)
        )
        move = next_move(Deferred(WHY), failed, situation(able[-1], able))
        assert (move.status, move.tried) == (Status.DEFERRED, ())
        assert move.due is not None
        return (move.due - NOW).total_seconds()

    assert [wait(n, ("a",)) for n in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert [wait(n, ("a", "b")) for n in (2, 4, 6)] == [2, 4, 8]
    assert wait(200, ("a",)) == 900


def test_what_is_misconfigured_waits_a_minute_at_least() -> None:
    for attempts, seconds in ((1, 60), (4, 60), (7, 128), (100, 900)):
        move = next_move(Misconfigured(WHY), replace(DELIVERY, attempts=attempts), situation())
        assert move.due == NOW + timedelta(seconds=seconds), attempts


def test_resends_in_doubt_wait_longer_each_time_and_stop() -> None:
    context = situation(when="resend")
    waits = [
        next_move(Uncertain(WHY), replace(DELIVERY, doubts=doubts, attempts=9), context).due
        for doubts in range(4)
    ]
    assert waits == [NOW + timedelta(seconds=2), NOW + timedelta(seconds=4), None, None]


def test_a_wait_that_would_end_with_the_message_is_its_end() -> None:
    """To the second: at the moment of its expiry a message is expired."""
    for left, status in ((2, Status.EXPIRED), (2.1, Status.DEFERRED)):
        delivery = replace(DELIVERY, expires_at=NOW + timedelta(seconds=left))
        assert next_move(Deferred(WHY), delivery, situation()).status is status
        held = next_move(Uncertain(WHY), delivery, situation(when="resend")).status
        assert held is (Status.UNCERTAIN if status is Status.EXPIRED else Status.DEFERRED)
