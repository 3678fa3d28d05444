"""Tests of the ledger comparison: every kind of difference is detected."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import pytest

from utskick.cli.demo.ledgers import Comparison, Contents, Copy, RequestedDelivery, compare
from utskick.domain.status import Status
from utskick_client import DeliveryEvent, DeliveryResult

REQUESTED: Final = RequestedDelivery("sms", "+46701740605", "d-1", Contents("Hej"))
COPY: Final = Copy("sms", "+46701740605", "d-1", Contents("Hej"))


def report(status: Status, *events: str) -> DeliveryResult:
    happened = tuple(DeliveryEvent(timestamp=datetime(2026, 1, 1), status=word) for word in events)
    return DeliveryResult(
        delivery_id="d-1", message_type="SMS", lifecycle=status, attempts=1, events=happened
    )


def compared(delivery: DeliveryResult, *copies: Copy) -> Comparison:
    return compare([REQUESTED], {"d-1": delivery}, list(copies))


def faults(comparison: Comparison) -> set[str]:
    names = ("lost", "doubled", "different", "contradicted", "unsettled", "unrequested")
    return {name for name in names if getattr(comparison, name)}


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED, Status.UNCERTAIN])
def test_one_identical_copy_agrees(status: Status) -> None:
    assert compared(report(status), COPY).agree
    assert compared(report(status), replace(COPY, key=None)).agree


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED, Status.UNCERTAIN])
def test_no_copy_agrees_with_a_delivery_that_was_not_or_may_not_have_been_sent(
    status: Status,
) -> None:
    assert compared(report(status)).agree


@pytest.mark.parametrize("status", [Status.SENT, Status.DELIVERED])
def test_a_delivery_that_was_sent_and_never_came_is_lost(status: Status) -> None:
    comparison = compared(report(status))
    assert (comparison.agree, faults(comparison)) == (False, {"lost"})


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED])
def test_a_copy_of_what_was_given_up_is_contradicted(status: Status) -> None:
    comparison = compared(report(status), COPY)
    assert (comparison.agree, faults(comparison)) == (False, {"contradicted"})


def test_a_second_copy_counts_as_doubled_unless_uncertainty_was_reported() -> None:
    assert faults(compared(report(Status.SENT), COPY, COPY)) == {"doubled"}
    reported = compared(report(Status.SENT, "uncertain"), COPY, COPY)
    assert (reported.agree, reported.reported) == (True, ["d-1"])
    assert faults(compared(report(Status.SENT, "uncertain"), COPY, COPY, COPY)) == {"doubled"}


@pytest.mark.parametrize(
    "contents",
    [
        Contents("hej"),
        Contents("Hej "),
        Contents("Hej", "x"),
        Contents("Hej", None, "<p>"),
        Contents("Hej", files=(("a", "b"),)),
    ],
)
def test_different_contents_are_detected(contents: Contents) -> None:
    comparison = compared(report(Status.SENT), replace(COPY, contents=contents))
    assert (comparison.agree, faults(comparison)) == (False, {"different"})


def test_an_unsettled_delivery_is_detected() -> None:
    comparison = compared(report(Status.DEFERRED))
    assert (comparison.agree, faults(comparison)) == (False, {"unsettled"})


@pytest.mark.parametrize(
    "stray",
    [
        replace(COPY, recipient="+46701740606"),
        replace(COPY, key="d-2"),
        replace(COPY, channel="email"),
    ],
)
def test_a_copy_without_a_request_is_detected(stray: Copy) -> None:
    comparison = compared(report(Status.SENT), COPY, stray)
    assert (comparison.agree, comparison.unrequested) == (False, 1)
