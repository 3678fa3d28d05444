"""A request's legs are stored with its content, and read from it by channel."""

from __future__ import annotations

import orjson
import pytest

from utskick.domain.leg import Leg, content_of, leg_of, stored


def test_legs_are_read_as_they_were_stored() -> None:
    legs = {
        "sms": Leg({"message": "Hej"}, (), ("message",)),
        "email": Leg({"subject": "Hej", "sender": {"address": "a@b.se"}}, (2, 0)),
    }
    found = orjson.loads(orjson.dumps(stored({"message": "Hej"}, legs)))
    assert content_of(found) == {"message": "Hej"}
    assert leg_of(found, "sms") == legs["sms"]
    assert leg_of(found, "email") == legs["email"]
    with pytest.raises(KeyError):
        leg_of(found, "push")


def test_a_content_without_legs_is_stored_as_it_is() -> None:
    assert stored({"message": "Hej"}, {}) == {"message": "Hej"}
