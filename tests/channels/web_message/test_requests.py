"""What is read from a body, and how what is wrong with it is told."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from utskick.channels.web_message.requests import ExternalReference, WebMessageRequest, case_of
from utskick.domain.errors import Invalid, Unreadable
from utskick.domain.validators import refusal

ANNA = "6a5c3d04-412d-11ec-973a-0242ac130003"
CASE = [{"key": "flowInstanceId", "value": "102251"}]
ONE = {"party": {"externalReferences": CASE}, "message": "Hej"}
NO_CASE = (
    "must identify one case by a reference with key flowInstanceId and a number from 1 to"
    " 2147483647 as its value"
)
BOTH = "Only one of partyId and userId can be set if sendAsOwner is true"
NEITHER = "Both partyId and userId cannot be null if sendAsOwner is true"
WHOLE = "Invalid web message request"
COUNT = "Attachments must contain 1-10 items when provided, or be null/omitted"
FILE = {"fileName": "a.pdf", "base64Data": "JVBERg=="}


def told(body: object) -> Invalid | Unreadable:
    with pytest.raises(ValidationError) as fault:
        WebMessageRequest.model_validate_json(orjson.dumps(body))
    found = refusal(fault.value, WebMessageRequest)
    assert isinstance(found, Invalid | Unreadable)
    return found


def violations(body: dict[str, Any]) -> list[tuple[str, str]]:
    found = told(body)
    assert isinstance(found, Invalid), found.members
    return [(violation.field, violation.message) for violation in found.violations]


def one(**members: Any) -> WebMessageRequest:
    return WebMessageRequest.model_validate_json(orjson.dumps({**ONE, **members}))


@pytest.mark.parametrize(
    ("members", "field", "message"),
    [
        ({"party": None}, "party", "must not be null"),
        ({"party": {}}, "party.externalReferences", NO_CASE),
        ({"party": {"externalReferences": None}}, "party.externalReferences", NO_CASE),
        ({"party": {"externalReferences": []}}, "party.externalReferences", NO_CASE),
        (
            {"party": {"externalReferences": [{"key": "flowInstanceId", "value": "356t4r34f"}]}},
            "party.externalReferences",
            NO_CASE,
        ),
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
        (
            {"party": {"externalReferences": CASE, "partyId": "anna"}},
            "party.partyId",
            "not a valid UUID",
        ),
        ({"message": " \n"}, "message", "must not be blank"),
        ({"message": None}, "message", "must not be blank"),
        (
            {"message": "a\x0bb"},
            "message",
            "must not contain characters that are not allowed in XML",
        ),
        (
            {"message": "a\ufffeb"},
            "message",
            "must not contain characters that are not allowed in XML",
        ),
        ({"message": "a\x00b"}, "message", "must not contain the character NUL"),
        ({"sender": {"userId": "a\nb"}}, "sender.userId", "must not contain control characters"),
        ({"oepInstance": "internal"}, "oepInstance", "instance must be 'INTERNAL' or 'EXTERNAL'"),
        ({"oepInstance": ""}, "oepInstance", "instance must be 'INTERNAL' or 'EXTERNAL'"),
        ({"attachments": []}, "attachments", COUNT),
        ({"attachments": [FILE] * 11}, "attachments", COUNT),
        ({"attachments": [{}]}, "attachments[0].base64Data", "not a valid BASE64-encoded string"),
        (
            {"attachments": [FILE, {**FILE, "base64Data": "JVB ERg"}]},
            "attachments[1].base64Data",
            "not a valid BASE64-encoded string",
        ),
        (
            {"attachments": [{**FILE, "base64Data": ""}]},
            "attachments[0].base64Data",
            "not a valid BASE64-encoded string",
        ),
        (
            {"attachments": [{**FILE, "fileName": "a\r\nb"}]},
            "attachments[0].fileName",
            "must not contain control characters",
        ),
        (
            {"attachments": [{**FILE, "fileName": "a" * 256}]},
            "attachments[0].fileName",
            "must not be longer than 255 characters",
        ),
        ({"reference": "x" * 65}, "reference", "must be 1-64 printable characters"),
    ],
)
def test_a_broken_rule_is_told(members: dict[str, Any], field: str, message: str) -> None:
    assert violations({**ONE, **members}) == [(field, message)]


@pytest.mark.parametrize(
    ("party_id", "sender", "message"),
    [
        (None, None, NEITHER),
        (None, {}, NEITHER),
        (None, {"userId": None}, NEITHER),
        (ANNA, {"userId": "joe01doe"}, BOTH),
    ],
)
def test_a_message_as_owner_has_one_owner(
    party_id: str | None, sender: dict[str, Any] | None, message: str
) -> None:
    body = {
        **ONE,
        "party": {"partyId": party_id, "externalReferences": CASE},
        "sender": sender,
        "sendAsOwner": True,
    }
    assert violations(body) == [("webMessageRequest", message), ("webMessageRequest", WHOLE)]


@pytest.mark.parametrize(
    ("as_owner", "party_id", "user"),
    [(True, ANNA, None), (True, None, "joe"), (False, ANNA, "joe"), (None, None, None)],
)
def test_who_may_write(as_owner: bool | None, party_id: str | None, user: str | None) -> None:
    request = one(
        party={"partyId": party_id, "externalReferences": CASE},
        sender={"userId": user},
        sendAsOwner=as_owner,
    )
    assert (request.send_as_owner, request.party.party_id, request.user) == (
        as_owner,
        party_id,
        user,
    )


def test_everything_that_is_wrong_is_told_at_once() -> None:
    body = {
        "party": {"partyId": "x"},
        "message": "",
        "sendAsOwner": True,
        "sender": {"userId": "joe"},
        "oepInstance": "x",
        "attachments": [],
    }
    assert {field for field, _ in violations(body)} == {
        *(
            "party.partyId",
            "party.externalReferences",
            "message",
            "webMessageRequest",
            "oepInstance",
            "attachments",
        )
    }
    assert sorted(violations({})) == [
        ("message", "must not be blank"),
        ("party", "must not be null"),
    ]
    assert sorted(violations({"sendAsOwner": True})) == [
        *(
            ("message", "must not be blank"),
            ("party", "must not be null"),
            ("webMessageRequest", NEITHER),
            ("webMessageRequest", WHOLE),
        )
    ]


@pytest.mark.parametrize(
    "body",
    [
        *(
            {**ONE, "priority": "high"},
            {**ONE, "sendAsOwner": "maybe"},
            {**ONE, "party": []},
            {**ONE, "sender": "joe"},
        ),
        *({**ONE, "sendAt": "soon"}, {**ONE, "attachments": {}}, [], None),
    ],
)
def test_a_body_of_the_wrong_form_is_unreadable(body: object) -> None:
    assert isinstance(told(body), Unreadable)


def references(*pairs: tuple[str, str]) -> list[ExternalReference]:
    return [ExternalReference(key=key, value=value) for key, value in pairs]


@pytest.mark.parametrize(
    ("pairs", "case"),
    [
        ([("flowInstanceId", "102251")], 102251),
        ([("FLOWINSTANCEID", "1")], 1),
        ([("other", "x"), ("flowinstanceid", "007")], 7),
        ([("flowInstanceId", "7"), ("FlowInstanceId", "7")], 7),
        ([("flowInstanceId", "2147483647")], 2147483647),
        ([("flowInstanceId", "2147483648")], None),
        ([("flowInstanceId", "0")], None),
        ([("flowInstanceId", "-1")], None),
        ([("flowInstanceId", "1.0")], None),
        ([("flowInstanceId", "١٢")], None),
        ([("flowInstanceId", "1\n")], None),
        ([("flowInstanceId", "9" * 400)], None),
        ([("flowInstanceId", "7"), ("flowInstanceId", "8")], None),
        ([("flowInstanceId", "7"), ("flowInstanceId", "x")], None),
        ([("caseId", "7")], None),
    ],
)
def test_the_case_that_the_references_name(pairs: list[tuple[str, str]], case: int | None) -> None:
    assert case_of(references(*pairs)) == case


@given(st.integers(1, 2**31 - 1))
def test_every_positive_number_of_32_bits_is_a_case(case: int) -> None:
    request = one(party={"externalReferences": [{"key": "flowInstanceId", "value": case}]})
    assert request.party.case == case


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"fileName": "Beslut åäö.pdf"}, "Beslut åäö.pdf"),
        ({"mimeType": "application/pdf"}, "bilaga-2.pdf"),
        ({"fileName": "", "mimeType": "image/png"}, "bilaga-2.png"),
        ({"mimeType": "x/unknown"}, "bilaga-2"),
        ({}, "bilaga-2"),
    ],
)
def test_an_attachment_without_a_name_is_given_one(members: dict[str, Any], name: str) -> None:
    (found,) = (
        one(attachments=[{"base64Data": b64encode(b"%PDF").decode(), **members}]).attachments or []
    )
    assert (found.decoded(2).name, found.decoded(2).data) == (name, b"%PDF")
