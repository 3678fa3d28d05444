"""The worst open attempt decides: every sequence of outcomes, against what was really accepted.

Two accounts, a channel with paper to fall back to, and everything that may happen to a delivery up
to five times in a row: outcomes of attempts, its expiry, an account that is removed, a late answer,
a receipt, and what a person finds out or decides. The oracle is the list of copies that providers
really accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal

import pytest

from tests.engine.test_retry import DELIVERY, NOW, WHY
from utskick.domain.delivery import Delivery, Move
from utskick.domain.outcome import (
    Deferred,
    Misconfigured,
    Outcome,
    Rejected,
    Sent,
    Uncertain,
)
from utskick.domain.status import MOVES, ContractStatus, Status, contract_status
from utskick.engine.retry import RetryContext, carriers, choose, next_move, unsent
from utskick.store.messages.settlement import Settlement

LENGTH: Final = 5
ACCOUNTS: Final = ("a", "b")
UNTOLD: Final = {ContractStatus.PENDING, ContractStatus.AWAITING_FEEDBACK}

When = Literal["resend", "hold"]

#: What may come of a call: the outcome, and whether the provider really accepted the message.
CALLS: Final[dict[str, tuple[Outcome, bool]]] = {
    "sent": (Sent("r"), True),
    "refused": (Rejected(WHY), False),
    "refused politely": (Rejected(WHY, polite=True), False),
    "deferred": (Deferred(WHY), False),
    "deferred beyond its expiry": (Deferred(WHY, timedelta(days=9)), False),
    "misconfigured": (Misconfigured(WHY), False),
    "accepted, answer lost": (Uncertain(WHY), True),
    "not accepted, answer lost": (Uncertain(WHY), False),
}
#: What may end an attempt before its call.
UNCALLED: Final[dict[str, Outcome]] = {
    "no mailbox any more": Rejected(WHY),
    "register away": Deferred(WHY),
}


@dataclass(frozen=True)
class World:
    """A delivery, the way it goes, and the copies that were really accepted: (way, account)."""

    delivery: Delivery
    when: When
    way: str = "digital"
    accounts: tuple[str, ...] = ACCOUNTS
    accepted: tuple[tuple[str, str], ...] = ()
    lost: tuple[str, bool] | None = None
    given_up: bool = False

    @property
    def on_this_way(self) -> bool:
        return any(way == self.way for way, _ in self.accepted)


def first(when: When) -> World:
    delivery = replace(
        DELIVERY,
        channel="digital_mail",
        status=Status.QUEUED,
        attempts=0,
        account=None,
        next=("snail_mail",),
    )
    return World(delivery, when)


def steps(world: World) -> Iterator[tuple[str, World]]:
    """Everything that may happen next, each with the world after it."""
    status = world.delivery.status
    if status in (Status.QUEUED, Status.DEFERRED):
        yield from attempts(world)
        yield from endings(world)
    if status is Status.UNCERTAIN:
        yield from decisions(world)


def attempts(world: World) -> Iterator[tuple[str, World]]:
    account = choose(carriers(world.accounts, world.delivery), world.delivery.tried, ())
    if account is None:
        move = next_move(Rejected(WHY), world.delivery, context(world, ""))
        yield "no account", settled(world, world.delivery, move)
        return
    begun = world.delivery.begun(account)
    for name, (outcome, accepted) in CALLS.items():
        copies = (*world.accepted, (world.way, account)) if accepted else world.accepted
        after = replace(world, accepted=copies)
        lost = (account, accepted) if isinstance(outcome, Uncertain) else None
        move = next_move(outcome, begun, context(after, account))
        yield f"{account}: {name}", replace(settled(after, begun, move), lost=lost)


def endings(world: World) -> Iterator[tuple[str, World]]:
    delivery = world.delivery
    yield "expired", settled(world, delivery, unsent(Status.EXPIRED, WHY, delivery))
    yield "erased", settled(world, replace(delivery, next=()), unsent(Status.FAILED, WHY, delivery))
    if world.accounts == ACCOUNTS:
        for removed in ACCOUNTS:
            rest = tuple(account for account in ACCOUNTS if account != removed)
            yield f"account {removed} removed", replace(world, accounts=rest)
    counted = replace(delivery, attempts=delivery.attempts + 1)
    for name, outcome in UNCALLED.items():
        yield name, settled(world, counted, next_move(outcome, counted, context(world, "")))
    if world.lost is not None:  # the worker that made the attempt is slow, not dead
        yield from late_answers(world)


def late_answers(world: World) -> Iterator[tuple[str, World]]:
    """The true answer of the attempt in doubt: its worker knows of the earlier doubts only."""
    assert world.lost is not None
    account, accepted = world.lost
    before = replace(world.delivery, doubts=world.delivery.doubts - 1)
    outcome: Outcome = Sent("r") if accepted else Rejected(WHY)
    move = next_move(outcome, before, context(world, account))
    yield f"late answer {outcome}", settled(world, before, move)


def decisions(world: World) -> Iterator[tuple[str, World]]:
    """What a person finds out is true; what they decide may be anything."""
    delivery = world.delivery
    later = {"tried": (), "expires_at": NOW + timedelta(hours=48), "status": Status.QUEUED}
    if world.on_this_way:
        yield "found sent", replace(world, delivery=replace(delivery, status=Status.SENT))
    else:
        anew = replace(delivery, doubts=0, **later)  # type: ignore[arg-type]
        yield "found not sent", replace(world, delivery=anew, lost=None)
    yield "resend", replace(world, delivery=replace(delivery, **later))  # type: ignore[arg-type]
    over = replace(delivery, status=Status.FAILED)
    yield "given up", replace(world, delivery=over, given_up=True)
    if world.lost is not None:
        yield from late_answers(world)


def context(world: World, account: str) -> RetryContext:
    able = carriers(world.accounts, world.delivery)
    return RetryContext(account, able, world.when, NOW, 0.5)


def settled(world: World, delivery: Delivery, move: Move) -> World:
    """The world after a settlement, as the store writes it, with the next way where it follows."""
    assert move.status in MOVES[delivery.status] | {delivery.status}, (delivery.status, move)
    settlement = Settlement(delivery, delivery.attempts, move, None, delivery.account, NOW)
    if settlement.falls_back:
        paper = replace(first(world.when).delivery, channel="snail_mail", next=())
        return replace(world, delivery=paper, way="paper", accounts=("house",), lost=None)
    after = replace(
        delivery,
        status=move.status,
        tried=move.tried,
        doubts=delivery.doubts + move.doubt,
    )
    return replace(world, delivery=after, lost=None)


def holds(world: World) -> str | None:
    """The promise that is broken; None: all are kept."""
    told = contract_status(world.delivery.status)
    if len(set(world.accepted)) > 1:
        return "a copy by another way or account"
    if world.accepted and told not in (*UNTOLD, ContractStatus.SENT) and not world.given_up:
        return "told not to have been sent"
    if told is ContractStatus.SENT and not world.accepted:
        return "told sent, and nobody accepted it"
    if world.delivery.status is Status.UNCERTAIN and not world.delivery.doubts:
        return "held, and nothing is in doubt"
    return None


@pytest.mark.parametrize("when", ["resend", "hold"])
def test_no_sequence_doubles_a_message_or_tells_an_accepted_one_as_not_sent(when: When) -> None:
    seen: dict[World, int] = {}
    checked = 0
    waiting: list[tuple[World, tuple[str, ...]]] = [(first(when), ())]
    while waiting:
        world, story = waiting.pop()
        broken = holds(world)
        assert broken is None, f"{broken}: {' → '.join(story)} → {world.delivery.status}"
        checked += 1
        left = LENGTH - len(story)
        if left == 0 or seen.get(world, 0) >= left:
            continue
        seen[world] = left
        waiting.extend((after, (*story, name)) for name, after in steps(world))
    assert checked > 2000, "the search must not come to an end early"


@pytest.mark.parametrize("when", ["resend", "hold"])
def test_what_is_known_not_to_have_been_sent_goes_on_to_paper(when: When) -> None:
    ways = {
        name: after.way
        for name, after in steps(first(when))
        if after.delivery.status is not Status.SENT
    }
    assert {name for name, way in ways.items() if way == "paper"} == {
        "a: refused",
        "a: refused politely",
        "expired",
        "no mailbox any more",
    }


def test_the_second_account_goes_on_only_without_a_doubt() -> None:
    after = dict(steps(first("resend")))
    assert {name for name, _ in steps(after["a: deferred"])} >= {"b: sent"}
    doubted = dict(steps(after["a: accepted, answer lost"]))
    assert {name[:2] for name in doubted if ": " in name} == {"a:"}
    removed = dict(steps(doubted["account a removed"]))
    assert removed["no account"].delivery.status is Status.UNCERTAIN
    assert removed["no account"].way == "digital"


@pytest.mark.parametrize("outcome", [Rejected(WHY), Rejected(WHY, polite=True)])
def test_a_refusal_after_a_doubt_is_told_beside_it(outcome: Outcome) -> None:
    doubted = replace(first("resend").delivery.begun("a"), attempts=2, doubts=1)
    move = next_move(outcome, doubted, RetryContext("a", ("a",), "resend", NOW, 0.5))
    assert (move.status, move.noted, move.doubt) == (Status.UNCERTAIN, Status.FAILED, False)
    late = replace(doubted, expires_at=NOW + timedelta(seconds=1))
    move = next_move(Deferred(WHY), late, RetryContext("a", ("a",), "resend", NOW, 0.5))
    assert (move.status, move.noted) == (Status.UNCERTAIN, Status.EXPIRED)
