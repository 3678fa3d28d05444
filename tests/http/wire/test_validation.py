"""How bodies are validated whose faults, or whose values, are many."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from utskick.channels.registry import CHANNELS
from utskick.channels.sms.requests import SmsBatchRequest
from utskick.domain.errors import Invalid, Unreadable, UtskickError
from utskick.domain.request_parts import crowd
from utskick.domain.validators import Body, Uuid
from utskick.http.wire import validation
from utskick.http.wire.body import parse

#: A member that no model has, and which makes a body a large one.
PAD = {"padding": [0] * 2000}
NUMBER = "must be a valid MSISDN (example: +46701740605). Regular expression: ^\\+[1-9][\\d]{3,14}$"


class Inner(Body):
    ids: list[Uuid] | None = None
    name: str


class Whole(Body):
    title: str
    parties: Annotated[list[Inner], crowd(1200)]
    free: list[Inner] | None = None


def outcome(model: type[BaseModel], body: dict[str, Any]) -> Any:
    """What a body is answered with."""
    try:
        return parse(model, json.dumps(body).encode())
    except Invalid as fault:
        return [(each.field, each.message) for each in fault.violations]
    except Unreadable as fault:
        return fault.members["reasons"]


def batch(*parties: Any, **more: Any) -> dict[str, Any]:
    return {"message": "m", "parties": list(parties), **more}


def test_a_hundred_faults_are_told_and_the_others_counted() -> None:
    told = outcome(SmsBatchRequest, batch(*[{}] * 100_000))
    assert told[:2] == [("parties[0].mobileNumber", NUMBER), ("parties[1].mobileNumber", NUMBER)]
    assert told[99:] == [
        ("parties[99].mobileNumber", NUMBER),
        ("parties", "… and 99 900 more"),
    ]


def test_the_faults_told_are_the_first_ones_wherever_they_stand() -> None:
    good, bad = {"mobileNumber": "+46701740605"}, {"mobileNumber": "070"}
    told = outcome(SmsBatchRequest, batch(*[good] * 50_000, bad, *[good] * 40_000, bad))
    assert told == [
        ("parties[50000].mobileNumber", NUMBER),
        ("parties[90001].mobileNumber", NUMBER),
    ]
    told = outcome(SmsBatchRequest, {**batch(*[good] * 5000, bad), "message": " "})
    assert sorted(told) == [
        ("message", "must not be blank"),
        ("parties[5000].mobileNumber", NUMBER),
    ]


def test_a_count_is_checked_before_the_elements() -> None:
    size = [("parties", "size must be between 1 and 100000")]
    assert outcome(SmsBatchRequest, batch(*[{}] * 100_001)) == size
    assert outcome(SmsBatchRequest, batch(*[0] * 1_600_000)) == size
    assert outcome(Whole, {"title": 1, "parties": [None] * 1201}) == [
        ("parties", "size must be between 1 and 1200")
    ]


def test_values_that_are_too_many_are_refused_where_they_stand() -> None:
    too_many = f"must not hold more than {validation.MOST_VALUES} values"
    values = b",".join([b"{}"] * (validation.MOST_VALUES + 10))
    for body, place in (
        (b'{"message":"m","other":[%s]}' % values, "other"),
        (b'{"message":"m","a":{"b":[%s]}}' % values, "a"),
        (b"[%s]" % values, ""),
    ):
        with pytest.raises(Invalid) as refused:
            parse(SmsBatchRequest, body)
        assert [(v.field, v.message) for v in refused.value.violations] == [(place, too_many)]


def test_commas_of_a_text_are_no_values() -> None:
    for text in ("," * 2_000_000, '\\",' * 600_000, ",\\" * 1_600_000, '"' + "," * 1_600_000):
        accepted = outcome(
            SmsBatchRequest, {"message": text, "parties": [{"mobileNumber": "+46701740605"}]}
        )
        assert isinstance(accepted, SmsBatchRequest)


def test_what_is_no_json_is_told_of_a_large_body_too() -> None:
    for body in (b'{"a":[' + b"{}," * 2_000, b'"' + b"," * 1_600_000):
        with pytest.raises(Unreadable):
            parse(SmsBatchRequest, body)


def test_reasons_of_what_cannot_be_read_are_bounded_as_well() -> None:
    told = outcome(SmsBatchRequest, batch(*[7] * 90_000))
    assert len(told) == 101
    assert told[0]["field"] == "parties[0]"
    assert told[-1] == {"message": "… and 89 900 more"}


ELEMENTS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", None, {}]),
        "ids": st.sampled_from([None, [], ["x"], ["e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"], 3]),
    },
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["t", None, []]),
        "parties": st.lists(ELEMENTS | st.sampled_from([None, 1]), max_size=30),
        "free": st.none() | st.lists(ELEMENTS, max_size=5),
    },
)


@given(BODIES)
def test_a_large_body_is_answered_as_a_small_one(body: dict[str, Any]) -> None:
    small, large = outcome(Whole, body), outcome(Whole, {**body, **PAD})
    if isinstance(small, list):
        assert sorted(large, key=repr) == sorted(small, key=repr)
    else:
        assert large == small


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, i) for name in sorted(CHANNELS) for i in range(4)],
)
def test_every_example_is_taken_and_its_faults_are_told_in_a_large_body_too(
    name: str, number: int
) -> None:
    models = [
        model for model in _requests(name) if isinstance(getattr(model, "example", None), dict)
    ]
    if number >= len(models):
        return
    model, example = models[number], models[number].example
    assert outcome(model, {**example, **PAD}) == outcome(model, example)
    for member in example:
        for wrong in ({k: v for k, v in example.items() if k != member}, {**example, member: None}):
            small, large = outcome(model, wrong), outcome(model, {**wrong, **PAD})
            assert large == small or sorted(large, key=repr) == sorted(small, key=repr)


def _requests(name: str) -> list[type[BaseModel]]:
    entry = CHANNELS[name]
    from importlib import import_module

    module = import_module(f"{entry.section.__module__.rpartition('.')[0]}.requests")
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseModel) and hasattr(each, "example")
    ]


def test_an_error_tells_of_at_most_a_hundred() -> None:
    from utskick.domain.errors import Violation

    fault: UtskickError = Invalid([Violation(f"a[{i}]", "x") for i in range(1234)])
    assert isinstance(fault, Invalid)
    assert len(fault.violations) == 101
    assert fault.violations[-1] == Violation("a", "… and 1 134 more")
    exact = Invalid([Violation(f"a[{i}]", "x") for i in range(100)])
    assert len(exact.violations) == 100
