"""The body of a push message: every rule, in its words, and the limit of what a push service
carries."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.channels.push.stage import APPS, CONTENT, PARTY, Devices, body, channel
from utskick.channels.push import payload
from utskick.channels.push.requests import PushRequest
from utskick.channels.push.webpush import encrypt
from utskick.domain.channel import Plan, Priority, RequestContext
from utskick.domain.clock import utc_now
from utskick.domain.errors import Invalid, Violation
from utskick.domain.ids import new_id
from utskick.domain.validators import refusal
from utskick.sandbox.push.device import Browser

ANYBODY = "0190b1c2-0000-7000-8000-00000000b0b0"
DEVICE = Browser("annas-dator").subscription("https://push.example.net")


def plan(**more: Any) -> Plan:
    return channel(Devices(), apps=APPS).plan(
        PushRequest.model_validate(body(**more)), RequestContext("2281")
    )


def violations(said: dict[str, Any]) -> list[Violation]:
    try:
        channel(Devices(), apps=APPS).plan(PushRequest.model_validate(said), RequestContext("2281"))
    except ValidationError as fault:
        found = refusal(fault, PushRequest)
        assert isinstance(found, Invalid)
        return found.violations
    except Invalid as fault:
        return fault.violations
    return []


@pytest.mark.parametrize(
    ("said", "field", "message"),
    [
        ({"title": None}, "title", "must not be blank"),
        ({"title": "a\nb"}, "title", "must not contain control characters"),
        ({"message": " "}, "message", "must not be blank"),
        ({"party": None}, "party", "must not be null"),
        ({"party": {"partyIds": []}}, "party.partyIds", "must not be empty"),
        ({"party": {}}, "party.partyIds", "must not be empty"),
        ({"party": {"partyIds": ["19"]}}, "party.partyIds[0]", "not a valid UUID"),
        ({"url": "http://sundsvall.se"}, "url", "must be an https address"),
        ({"url": "javascript:alert(1)"}, "url", "must be an https address"),
        ({"url": "https://user:word@sundsvall.se"}, "url", "must be an https address"),
        ({"topic": "a" * 33}, "topic", "must be 1 to 32 letters, digits, '-' or '_'"),
        ({"topic": "bok 17"}, "topic", "must be 1 to 32 letters, digits, '-' or '_'"),
        ({"topic": "bok\n"}, "topic", "must be 1 to 32 letters, digits, '-' or '_'"),
        ({"ttl": -1}, "ttl", "must be between 0 and 2419200"),
        ({"ttl": 2_419_201}, "ttl", "must be between 0 and 2419200"),
        ({"reference": ""}, "reference", "must be 1-64 printable characters"),
    ],
)
def test_a_broken_rule_is_told_in_its_words(said: dict[str, Any], field: str, message: str) -> None:
    assert violations({**body(), **said}) == [Violation(field, message)]


def test_every_broken_rule_is_told_at_once() -> None:
    said = {"party": {"partyIds": ["x"]}, "message": "", "ttl": -1, "topic": ""}
    assert [v.field for v in violations(said)] == [
        "party.partyIds[0]",
        "title",
        "message",
        "topic",
        "ttl",
    ]


def test_a_request_becomes_a_question_for_each_party() -> None:
    made = plan(
        party={
            "partyIds": [PARTY, ANYBODY, PARTY.upper()],
            "externalReferences": [{"key": "a", "value": "b"}],
        },
        url="https://a.se/b",
    )
    assert [(r.destination, r.party_id) for r in made.recipients] == [("", PARTY), ("", ANYBODY)]
    assert list(made.entries) == [0, 1, 0]
    references = {"externalReferences": [{"key": "a", "value": "b"}]}
    assert made.content == {**CONTENT, "url": "https://a.se/b", "party": references, "_ttl": 86_400}


@pytest.mark.parametrize(
    ("parties", "priority", "lane"),
    [
        (1, "HIGH", Priority.HIGH),
        (1, None, Priority.NORMAL),
        (2, "HIGH", Priority.NORMAL),
        (2, "NORMAL", Priority.BULK),
    ],
)
def test_many_wait_behind_few(parties: int, priority: str | None, lane: Priority) -> None:
    assert plan(party={"partyIds": [PARTY, ANYBODY][:parties]}, priority=priority).priority is lane


def longest(character: str) -> str:
    """The longest message of this character that is accepted."""
    size = payload.WEB_PUSH_LIMIT // len(character.encode())
    return next(
        character * n
        for n in range(size, 0, -1)
        if not payload.faults({**CONTENT, "message": character * n})
    )


@pytest.mark.parametrize("character", ["a", "å", "😀", '"'])
def test_what_fits_is_counted_in_bytes_and_one_more_is_too_much(character: str) -> None:
    fits = longest(character)
    assert 3700 < len(orjson.dumps(fits)) < 3993
    assert violations(body(message=fits)) == []
    [found] = violations(body(message=fits + character))
    assert found.field == "message"
    assert "the limit is" in found.message


def test_the_largest_payload_fits_into_what_a_push_service_takes_and_into_one_record() -> None:
    """RFC 8030 section 7.2, RFC 8291 section 4."""
    encrypted = encrypt(b"a" * payload.WEB_PUSH_LIMIT, DEVICE["p256dh"], DEVICE["auth"])
    assert len(encrypted) == 4096
    assert int.from_bytes(encrypted[16:20]) > len(encrypted) - 86


@given(st.text(min_size=1, max_size=3000), st.text(min_size=1, max_size=300))
def test_nothing_that_is_accepted_is_too_large_on_the_wire(message: str, title: str) -> None:
    try:
        found = payload.faults({"title": title, "message": message})
    except (
        UnicodeEncodeError,
        orjson.JSONEncodeError,
    ):  # lone surrogates are refused by the rules before
        return
    encoded = payload.read({"title": title, "message": message}, new_id(), 0, utc_now()).encode()
    assert len(encoded) <= 3993 or found


async def test_what_another_request_hands_over_must_fit_too() -> None:
    made = channel(Devices())
    assert await made.inspect(CONTENT, (), RequestContext("2281")) == []
    [found] = await made.inspect({**CONTENT, "message": "a" * 4000}, (), RequestContext("2281"))
    assert found.field == "message"
