"""What is read from a body, and how what is wrong with it is told."""

from __future__ import annotations

from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from utskick.channels.sms.requests import (
    MOST_PARTIES,
    ShortSmsBatchRequest,
    ShortSmsRequest,
    SmsBatchRequest,
    SmsRequest,
)
from utskick.domain.errors import Invalid, Unreadable
from utskick.domain.phone_number import national_to_msisdn
from utskick.domain.recipient import Recipient
from utskick.domain.validators import MSISDN_MESSAGE, refusal

ANNA = "6a5c3d04-412d-11ec-973a-0242ac130003"
ONE = {"mobileNumber": "+46701740605", "message": "Hej"}
MANY = {"message": "Hej", "parties": [{"mobileNumber": "+46701740605"}]}


def violations(model: type[BaseModel], body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as fault:
        model.model_validate_json(orjson.dumps(body))
    told = refusal(fault.value, model)
    assert isinstance(told, Invalid), told.members
    return [(violation.field, violation.message) for violation in told.violations]


def is_unreadable(model: type[BaseModel], body: str | bytes) -> bool:
    with pytest.raises(ValidationError) as fault:
        model.model_validate_json(body)
    return isinstance(refusal(fault.value, model), Unreadable)


@pytest.mark.parametrize(
    ("members", "field", "message"),
    [
        ({"sender": "abcdefghijkl"}, "sender", "size must be between 3 and 11"),
        ({"sender": ""}, "sender", "size must be between 3 and 11"),
        ({"mobileNumber": "46701740605"}, "mobileNumber", MSISDN_MESSAGE),
        ({"mobileNumber": "0701740605"}, "mobileNumber", MSISDN_MESSAGE),
        ({"mobileNumber": None}, "mobileNumber", MSISDN_MESSAGE),
        ({"message": " \n"}, "message", "must not be blank"),
        ({"message": None}, "message", "must not be blank"),
        ({"message": "a\x00b"}, "message", "must not contain the character NUL"),
        ({"party": {"partyId": "anna"}}, "party.partyId", "not a valid UUID"),
        ({"party": {"partyId": "1-1-1-1-1"}}, "party.partyId", "not a valid UUID"),
        (
            {"party": {"externalReferences": [{"key": "", "value": "x"}]}},
            "party.externalReferences[0].key",
            "must not be blank",
        ),
        (
            {"party": {"externalReferences": [{"key": "x"}]}},
            "party.externalReferences[0].value",
            "must not be blank",
        ),
        ({"department": "a\x00b"}, "department", "must not contain the character NUL"),
        ({"reference": "x" * 65}, "reference", "must be 1-64 printable characters"),
    ],
)
def test_a_bad_member_of_an_sms_is_told_in_the_contracts_words(
    members: dict[str, Any], field: str, message: str
) -> None:
    assert violations(SmsRequest, {**ONE, **members}) == [(field, message)]


@pytest.mark.parametrize(
    ("members", "field", "message"),
    [
        ({"parties": []}, "parties", "must not be empty"),
        ({"parties": None}, "parties", "must not be empty"),
        ({"parties": [{"mobileNumber": "0701740605"}]}, "parties[0].mobileNumber", MSISDN_MESSAGE),
        ({"parties": [{}]}, "parties[0].mobileNumber", MSISDN_MESSAGE),
        (
            {"parties": [{"mobileNumber": "+46701740605", "partyId": ""}]},
            "parties[0].partyId",
            "not a valid UUID",
        ),
        (
            {"parties": [{"mobileNumber": "+46701740605", "reference": "a\nb"}]},
            "parties[0].reference",
            "must be 1-64 printable characters",
        ),
        (
            {"parties": [{"mobileNumber": "+46701740605"}] * (MOST_PARTIES + 1)},
            "parties",
            "size must be between 1 and 100000",
        ),
    ],
)
def test_a_bad_member_of_a_batch_is_told_in_the_contracts_words(
    members: dict[str, Any], field: str, message: str
) -> None:
    assert violations(SmsBatchRequest, {**MANY, **members}) == [(field, message)]


def test_everything_that_is_missing_is_told_at_once() -> None:
    assert violations(SmsRequest, {}) == [
        ("message", "must not be blank"),
        ("mobileNumber", MSISDN_MESSAGE),
    ]
    assert violations(SmsBatchRequest, {}) == [
        ("message", "must not be blank"),
        ("parties", "must not be empty"),
    ]
    assert violations(ShortSmsBatchRequest, {"message": "Hej", "parties": [{}]}) == [
        ("parties[0].mobileNumber", MSISDN_MESSAGE)
    ]


@pytest.mark.parametrize(
    "body",
    [
        r'{"mobileNumber": "+46701740605", "message": "\ud800"}',
        '{"mobileNumber": "+46701740605", "message": "Hej", "priority": "URGENT"}',
        '{"mobileNumber": "+46701740605", "message": "Hej", "priority": "BULK"}',
        '{"mobileNumber": "+46701740605", "message": ["Hej"]}',
        '{"mobileNumber": "+46701740605", "message": "Hej", "sendAt": "tomorrow"}',
        '{"mobileNumber": "+46701740605",',
        b'{"mobileNumber": "+46701740605", "message": "\xed\xa0\x80"}',
        "[]",
    ],
)
def test_what_is_of_the_wrong_form_is_unreadable(body: str | bytes) -> None:
    assert is_unreadable(SmsRequest, body)


def test_nulls_and_unknown_members_are_taken() -> None:
    nothing = dict.fromkeys(
        ("party", "sender", "priority", "department", "reference", "sendAt", "validUntil")
    )
    assert SmsRequest.model_validate(
        {**ONE, **nothing, "flash": True}
    ) == SmsRequest.model_validate(ONE)


def test_a_batch_tells_its_recipients_in_order() -> None:
    parties = [
        {"partyId": ANNA, "mobileNumber": "+46701740605", "reference": "row 1"},
        {"partyId": None, "mobileNumber": "+4712345678"},
    ]
    request = SmsBatchRequest.model_validate({**MANY, "parties": parties})
    assert list(request.recipients()) == [
        Recipient("+46701740605", ANNA, "row 1"),
        Recipient("+4712345678"),
    ]


def test_the_short_form_takes_national_numbers_and_people_by_any_id() -> None:
    one = ShortSmsRequest.model_validate(
        {"mobileNumber": "070-174 06 05", "personId": "435rfret45", "message": "Hej"}
    )
    assert list(one.recipients()) == [Recipient("+46701740605", "435rfret45")]
    many = ShortSmsBatchRequest.model_validate(
        {"message": "Hej", "parties": [{"mobileNumber": "0046701740605", "personId": "b"}]}
    )
    assert list(many.recipients()) == [Recipient("+46701740605", "b")]


@pytest.mark.parametrize(
    ("number", "detail"),
    [
        ("", None),
        ("070", "it has too few or too many digits"),
        ("anna", None),
        ("0700-KATT", "it contains letters"),
        ("+46", None),
        ("07017406050000000", "it has too few or too many digits"),
        (
            "4,67E+10",
            "it was written by a spreadsheet as a power of ten, and its last digits are lost",
        ),
        (4670174060.5, "it has decimals"),
        ("+46 70\u202e1740605", "it contains U+202E"),
    ],
)
def test_the_short_form_refuses_what_is_no_number(number: str, detail: str | None) -> None:
    reasons = [MSISDN_MESSAGE, *([f"is not a phone number: {detail}"] if detail else [])]
    assert violations(ShortSmsRequest, {"mobileNumber": number, "message": "Hej"}) == [
        ("mobileNumber", reason) for reason in reasons
    ]


def test_a_spreadsheets_number_in_json_is_never_another_number() -> None:
    for number in (46701740605.0, 701740605.0, 46701740605, "46701740605.0", "4.6701740605E+10"):
        assert as_msisdn(number) == "+46701740605"


def test_a_number_with_a_trunk_zero_is_the_same_in_the_contracts_form() -> None:
    request = SmsBatchRequest.model_validate(
        {
            "message": "Hej",
            "parties": [
                {"mobileNumber": "+460701740605"},
                {"mobileNumber": "\u202d+46701740605\u202c"},
            ],
        }
    )
    assert list(request.recipients()) == [Recipient("+46701740605")] * 2


def as_msisdn(text: object) -> str | None:
    try:
        return ShortSmsRequest.model_validate(
            {"mobileNumber": text, "message": "Hej"}
        ).mobile_number
    except ValidationError:
        return None


@given(st.from_regex(r"[ -]{0,1}0[ -]?7([ -]{0,2}[0-9]){8}[ -]?", fullmatch=True))
def test_the_short_way_reads_a_number_as_the_long_way_does(text: str) -> None:
    assert as_msisdn(text) == national_to_msisdn(text)


@pytest.mark.parametrize("model", [SmsBatchRequest, ShortSmsBatchRequest])
def test_a_hundred_thousand_recipients_are_read_in_moments(model: type[BaseModel]) -> None:
    prefix = "+4670" if model is SmsBatchRequest else "070-"
    body = orjson.dumps(
        {
            "message": "Hej",
            "parties": [
                {"mobileNumber": f"{prefix}{number:07d}"} for number in range(MOST_PARTIES)
            ],
        }
    )
    began = process_time()
    model.model_validate_json(body)
    # Measured 0.4 s; the bound is for a machine with other work to do.
    assert process_time() - began < 3
