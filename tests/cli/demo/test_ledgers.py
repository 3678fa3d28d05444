"""The comparison of the two ledgers: everything that could be wrong is seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import pytest

from utskick.cli.demo.ledgers import Comparison, Copy, RequestedDelivery, Wording, compare
from utskick.domain.status import Status
from utskick_client import DeliveryEvent, DeliveryResult

ASKED: Final = RequestedDelivery("sms", "+46701740605", "d-1", Wording("Hej"))
COPY: Final = Copy("sms", "+46701740605", "d-1", Wording("Hej"))


def told(status: Status, *events: str) -> DeliveryResult:
    story = tuple(DeliveryEvent(timestamp=datetime(2026, 1, 1), status=word) for word in events)
    return DeliveryResult(
        delivery_id="d-1", message_type="SMS", lifecycle=status, attempts=1, events=story
    )


def compared(delivery: DeliveryResult, *copies: Copy) -> Comparison:
    return compare([ASKED], {"d-1": delivery}, list(copies))


def faults(found: Comparison) -> set[str]:
    names = ("lost", "doubled", "different", "denied", "unsettled", "unasked")
    return {name for name in names if getattr(found, name)}


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED, Status.UNCERTAIN])
def test_one_copy_of_what_was_asked_for_agrees(status: Status) -> None:
    assert compared(told(status), COPY).agree
    assert compared(told(status), replace(COPY, key=None)).agree


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED, Status.UNCERTAIN])
def test_no_copy_agrees_with_a_delivery_that_was_not_or_may_not_have_been_sent(
    status: Status,
) -> None:
    assert compared(told(status)).agree


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED])
def test_a_delivery_that_was_sent_and_never_came_is_lost(status: Status) -> None:
    found = compared(told(status))
    assert (found.agree, faults(found)) == (False, {"lost"})


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED])
def test_a_copy_of_what_was_given_up_is_denied(status: Status) -> None:
    found = compared(told(status), COPY)
    assert (found.agree, faults(found)) == (False, {"denied"})


def test_a_second_copy_counts_as_doubled_unless_uncertainty_was_reported() -> None:
    assert faults(compared(told(Status.SENT), COPY, COPY)) == {"doubled"}
    reported = compared(told(Status.SENT, "uncertain"), COPY, COPY)
    assert (reported.agree, reported.reported) == (True, ["d-1"])
    assert faults(compared(told(Status.SENT, "uncertain"), COPY, COPY, COPY)) == {"doubled"}


@pytest.mark.parametrize(
    "wording",
    [
        Wording("hej"),
        Wording("Hej "),
        Wording("Hej", "x"),
        Wording("Hej", None, "<p>"),
        Wording("Hej", files=(("a", "b"),)),
    ],
)
def test_another_wording_is_seen(wording: Wording) -> None:
    found = compared(told(Status.SENT), replace(COPY, wording=wording))
    assert (found.agree, faults(found)) == (False, {"different"})


def test_a_delivery_that_still_moves_is_seen() -> None:
    found = compared(told(Status.DEFERRED))
    assert (found.agree, faults(found)) == (False, {"unsettled"})


@pytest.mark.parametrize(
    "stray",
    [
        replace(COPY, recipient="+46701740606"),
        replace(COPY, key="d-2"),
        replace(COPY, channel="email"),
    ],
)
def test_a_copy_that_nobody_asked_for_is_seen(stray: Copy) -> None:
    found = compared(told(Status.SENT), COPY, stray)
    assert (found.agree, found.unasked) == (False, 1)
