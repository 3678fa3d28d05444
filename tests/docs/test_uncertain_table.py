"""The table of docs/explanation/uncertain-deliveries.md is what ``engine.retry`` decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

import pytest

from tests.engine.test_retry import DELIVERY, NOW, WHY
from utskick.domain.delivery import Delivery, Move
from utskick.domain.outcome import Deferred, Misconfigured, Outcome, Rejected, Sent
from utskick.domain.outcome import Uncertain as InDoubt
from utskick.domain.status import Status
from utskick.engine.retry import RetryContext, carriers, choose, next_move, unsent
from utskick.store.messages.settlement import Settlement

PAGE: Final = Path(__file__).parents[2] / "docs" / "explanation" / "uncertain-deliveries.md"
LATE: Final = Deferred(WHY, timedelta(days=9))

When = Literal["resend", "hold"]


def delivery(doubts: int) -> Delivery:
    return replace(
        DELIVERY, channel="digital_mail", attempts=1 + doubts, doubts=doubts, next=("snail_mail",)
    )


def after(
    outcome: Outcome, able: tuple[str, ...] = ("a", "b"), when: When = "hold"
) -> Callable[[Delivery], tuple[Move, tuple[str, ...]]]:
    def decide(given: Delivery) -> tuple[Move, tuple[str, ...]]:
        context = RetryContext("a", carriers(able, given), when, NOW, 0.5)
        return next_move(outcome, given, context), able

    return decide


def not_made(status: Status) -> Callable[[Delivery], tuple[Move, tuple[str, ...]]]:
    return lambda given: (unsent(status, WHY, given), ("a", "b"))


ROWS: Final = {
    "accepted": after(Sent("r")),
    "refused for good": after(Rejected(WHY)),
    "deferred, another account is left": after(Misconfigured(WHY)),
    "deferred, no other account": after(Deferred(WHY), ("a",)),
    "deferred beyond its expiry": after(LATE, ("a",)),
    "in doubt, the channel resends": after(InDoubt(WHY), when="resend"),
    "in doubt, the channel holds": after(InDoubt(WHY)),
    "not made: the delivery has expired": not_made(Status.EXPIRED),
    "not made: no account is left": not_made(Status.FAILED),
}


def told(given: Delivery, decided: tuple[Move, tuple[str, ...]]) -> str:
    """The cell of the table for what was decided."""
    move, able = decided
    if Settlement(given, given.attempts, move, None, "a", NOW).falls_back:
        return f"`{move.status}`; the next channel follows"
    if move.due is None:
        return f"`{move.status}`"
    next_one = replace(given, tried=move.tried, doubts=given.doubts + move.doubt)
    account = choose(carriers(able, next_one), next_one.tried, ())
    when = "at once" if move.due == NOW else "later"
    if len(able) == 1 and not next_one.doubts:
        return f"`{move.status}`, {when}"
    return f"`{move.status}`, {when} by the {'same' if account == 'a' else 'other'} account"


def cells() -> dict[str, tuple[str, str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| This attempt"))
    rows = [line.strip("|").split("|") for line in lines[start + 2 :]]
    found = [[cell.strip() for cell in row] for row in rows if len(row) == 3]
    return {row[0]: (row[1], row[2]) for row in found[: len(ROWS) + 1]}


def test_the_table_has_these_rows() -> None:
    assert cells().keys() == {*ROWS, "in doubt for the third time"}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_what_is_decided(row: str) -> None:
    decide = ROWS[row]
    without, with_doubt = delivery(0), delivery(1)
    assert cells()[row] == (
        told(without, decide(without)),
        told(with_doubt, decide(with_doubt)),
    )


def test_the_third_doubt_is_the_last() -> None:
    given = delivery(2)
    _, cell = cells()["in doubt for the third time"]
    assert cell == told(given, after(InDoubt(WHY), when="resend")(given))
