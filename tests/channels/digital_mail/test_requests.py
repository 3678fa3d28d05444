"""The bodies: what they take, and the contract's words for what they do not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import BaseModel, ValidationError

from utskick.channels.digital_mail.requests import DigitalMailRequest, MailboxesRequest
from utskick.domain.errors import Invalid, Unreadable
from utskick.domain.recipient import Recipient
from utskick.domain.validators import refusal

ANNA, BO = "6a5c3d04-412d-11ec-973a-0242ac130003", "6a5c3d04-412d-11ec-973a-0242ac130004"
PDF = {"contentType": "application/pdf", "content": "JVBERi0xLjcK", "filename": "beslut.pdf"}


def read(model: type[BaseModel], body: Any) -> Any:
    try:
        return model.model_validate_json(orjson.dumps(body))
    except ValidationError as fault:
        raise refusal(fault, model) from None


def mail(**members: Any) -> Any:
    return read(DigitalMailRequest, {"party": {"partyIds": [ANNA]}, **members})


def refused(model: type[BaseModel], body: Any) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as fault:
        read(model, body)
    return {(v.field, v.message) for v in fault.value.violations}


def test_the_least_that_can_be_said_is_a_party() -> None:
    request = mail()
    assert request.recipients() == [Recipient("", ANNA)]
    assert request.content() == {}


def test_all_that_can_be_said_is_kept() -> None:
    said = {
        "subject": "Beslut",
        "sender": {
            "supportInfo": {
                "text": "Ring",
                "emailAddress": "a@b.se",
                "phoneNumber": "060",
                "url": "someUrl",
            }
        },
        "department": "SBK",
        "contentType": "text/plain",
        "body": "Hej",
        "headerReference": "Dnr 1",
        "officialMatter": {"id": "1", "status": "closed"},
        "reply": "NOT_ALLOWED",
        "receiptRequest": "SIMPLE",
        "priority": "HIGH",
    }
    request = mail(
        **said, attachments=[PDF], reference="row 7", sendAt="2026-02-25T08:00:00", nobodyKnows=1
    )
    assert request.content() == said
    assert request.attachments[0].decoded().data == b"%PDF-1.7\n"
    assert (request.reference, request.send_at.hour) == ("row 7", 7)
    references = [{"key": "a", "value": "b"}]
    assert mail(party={"partyIds": [ANNA], "externalReferences": references}).content() == {
        "party": {"externalReferences": references}
    }


NO_LINE = "must not contain control characters"


@pytest.mark.parametrize(
    ("body", "violations"),
    [
        ({}, {("party", "must not be null")}),
        ({"party": {}}, {("party.partyIds", "must not be empty")}),
        ({"party": {"partyIds": []}}, {("party.partyIds", "must not be empty")}),
        ({"party": {"partyIds": [ANNA, "1-1-1-1-1"]}}, {("party.partyIds[1]", "not a valid UUID")}),
        (
            {"sender": {}, "body": "Hej", "attachments": [{}]},
            {
                ("party", "must not be null"),
                ("sender.supportInfo", "must not be null"),
                ("contentType", "contentType must be set when body is provided"),
                ("attachments[0].contentType", "must be one of: [application/pdf]"),
                ("attachments[0].content", "must not be blank"),
                ("attachments[0].filename", "must not be blank"),
            },
        ),
    ],
)
def test_every_broken_rule_is_told_at_once(
    body: dict[str, Any], violations: set[tuple[str, str]]
) -> None:
    assert refused(DigitalMailRequest, body) == violations


@pytest.mark.parametrize(
    ("members", "violations"),
    [
        ({"contentType": "text/rtf"}, {("contentType", "must be one of: [text/plain, text/html]")}),
        (
            {"contentType": "text/html", "body": "<p>"},
            {("body", "not a valid BASE64-encoded string")},
        ),
        ({"subject": "x" * 256}, {("subject", "size must be between 0 and 255")}),
        ({"subject": "a\nb"}, {("subject", NO_LINE)}),
        ({"subject": "a\ufffe"}, {("subject", "must not contain characters that XML cannot hold")}),
        (
            {"sender": {"supportInfo": {"text": " "}}},
            {("sender.supportInfo.text", "must not be blank")},
        ),
        (
            {"sender": {"supportInfo": {"text": "a", "emailAddress": "a@b"}}},
            {
                ("sender.supportInfo.emailAddress", "must be a well-formed email address"),
                ("sender.supportInfo.emailAddress", "size must be between 5 and 256"),
            },
        ),
        (
            {"sender": {"supportInfo": {"text": "a", "url": "a b"}}},
            {("sender.supportInfo.url", "must be a URL")},
        ),
        (
            {"attachments": [{**PDF, "contentType": "image/png"}]},
            {("attachments[0].contentType", "must be one of: [application/pdf]")},
        ),
        (
            {"attachments": [{**PDF, "content": "%%%"}]},
            {("attachments[0].content", "not a valid BASE64-encoded string")},
        ),
        (
            {"attachments": [{**PDF, "content": ""}]},
            {("attachments[0].content", "must not be blank")},
        ),
        ({"attachments": [{**PDF, "filename": "a\r\nb"}]}, {("attachments[0].filename", NO_LINE)}),
        ({"reference": ""}, {("reference", "must be 1-64 printable characters")}),
        (
            {"officialMatter": {"id": "x" * 256}},
            {("officialMatter.id", "size must be between 0 and 255")},
        ),
    ],
)
def test_a_rule_is_told_in_the_contracts_words(
    members: dict[str, Any], violations: set[tuple[str, str]]
) -> None:
    assert refused(DigitalMailRequest, {"party": {"partyIds": [ANNA]}, **members}) == violations


@pytest.mark.parametrize(
    "members",
    [{"body": " "}, {"body": ""}, {"body": "", "contentType": None}, {"contentType": "text/html"}],
)
def test_no_type_is_needed_where_nothing_is_said(members: dict[str, Any]) -> None:
    assert mail(**members)


@pytest.mark.parametrize(
    "members",
    [
        {"reply": "PERHAPS"},
        {"officialMatter": {"status": "open"}},
        {"party": [ANNA]},
        {"subject": []},
    ],
)
def test_what_has_the_wrong_form_cannot_be_read(members: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        mail(**members)


def test_the_mailboxes_of_many_can_be_asked_for() -> None:
    assert read(MailboxesRequest, [ANNA, BO]).root == [ANNA, BO]


@pytest.mark.parametrize(
    ("body", "violations"),
    [
        ([], {("getMailboxes.partyIds", "must not be empty")}),
        ([ANNA, ANNA.upper()], {("getMailboxes.partyIds", "must only contain unique elements")}),
        (
            [ANNA, "x", None, 7],
            {(f"getMailboxes.partyIds[{n}].<list element>", "not a valid UUID") for n in (1, 2, 3)},
        ),
    ],
)
def test_the_faults_of_the_question_stand_under_its_parameter(
    body: list[Any], violations: set[tuple[str, str]]
) -> None:
    assert refused(MailboxesRequest, body) == violations


@pytest.mark.parametrize("body", [{}, "x", None])
def test_a_question_that_is_no_array_cannot_be_read(body: Any) -> None:
    with pytest.raises(Unreadable):
        read(MailboxesRequest, body)


def test_both_models_have_a_schema() -> None:
    assert DigitalMailRequest.model_json_schema()["required"] == ["party"]
    assert MailboxesRequest.model_json_schema()["type"] == "array"
