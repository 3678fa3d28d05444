"""Routes by a register's contact settings: numbers that are read, or none."""

from __future__ import annotations

import pytest

from utskick.channels.message.channel import _route
from utskick.domain.directory_ports import Method


@pytest.mark.parametrize(
    ("destination", "number"),
    [
        ("070-174 06 05", "+46701740605"),
        ("46701740605.0", "+46701740605"),
        ("+460701740605", "+46701740605"),
        ("46701740605.5", None),
        ("070174060", None),
        ("4,67E+10", None),
        ("", None),
    ],
)
def test_a_number_that_cannot_be_read_is_no_route(destination: str, number: str | None) -> None:
    route = _route(Method.SMS, destination)
    assert (route.destination if route else None) == number


def test_other_destinations_are_routes_as_they_are() -> None:
    route = _route(Method.EMAIL, "anna@example.se")
    assert route is not None
    assert route.destination == "anna@example.se"
