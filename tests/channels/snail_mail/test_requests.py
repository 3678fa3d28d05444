"""What is read from a body, what is wrong with it, and what it comes to."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from tests.channels.snail_mail.stage import ANNA, BATCH, PDF, channel
from utskick.channels.snail_mail.channel import FORMS
from utskick.channels.snail_mail.requests import SnailMailRequest
from utskick.domain.channel import Plan, Priority, RequestContext
from utskick.domain.errors import Invalid
from utskick.domain.ids import parse_id
from utskick.domain.validators import refusal

PARTY = "6a5c3d04-412d-11ec-973a-0242ac130003"
ATTACHMENT = {"filename": "beslut.pdf", "content": b64encode(PDF).decode()}
HOUSE = {"house": {"provider": "folder", "path": "/nowhere"}}
LETTER = {"department": "Kultur", "address": ANNA, "attachments": [ATTACHMENT]}


def plan(body: dict[str, Any], **query: str) -> Plan:
    request = SnailMailRequest.model_validate_json(orjson.dumps(body))
    return channel(accounts=HOUSE).plan(
        request, RequestContext("2281", query={"batchId": BATCH, **query})
    )


def violations(body: dict[str, Any]) -> dict[str, str]:
    try:
        plan(body)
    except ValidationError as fault:
        told = refusal(fault, SnailMailRequest)
    except Invalid as fault:
        told = fault
    else:
        return {}
    assert isinstance(told, Invalid), told.members
    return {violation.field: violation.message for violation in told.violations}


def without(name: str) -> dict[str, Any]:
    return {**LETTER, "address": {key: value for key, value in ANNA.items() if key != name}}


def with_address(**members: Any) -> dict[str, Any]:
    return {**LETTER, "address": {**ANNA, **members}}


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({**LETTER, "department": " "}, "department", "must not be blank"),
        ({**LETTER, "department": "a\nb"}, "department", "must not contain control characters"),
        (
            {key: value for key, value in LETTER.items() if key != "department"},
            "department",
            "must not be blank",
        ),
        ({**LETTER, "party": {"partyId": "1-1-1-1-1"}}, "party.partyId", "not a valid UUID"),
        (
            {**LETTER, "attachments": [{**ATTACHMENT, "content": "å"}]},
            "attachments[0].content",
            "not a valid BASE64-encoded string",
        ),
        (
            {**LETTER, "attachments": [{**ATTACHMENT, "content": ""}]},
            "attachments[0].content",
            "not a valid BASE64-encoded string",
        ),
        (
            {**LETTER, "attachments": [{"filename": "a"}]},
            "attachments[0].content",
            "not a valid BASE64-encoded string",
        ),
        (
            {**LETTER, "attachments": [{**ATTACHMENT, "filename": ""}]},
            "attachments[0].filename",
            "must not be blank",
        ),
        (
            {**LETTER, "attachments": [{**ATTACHMENT, "contentType": "text/plain"}]},
            "attachments[0].contentType",
            "must be application/pdf",
        ),
        ({**LETTER, "attachments": []}, "attachments", "must not be empty"),
        ({**LETTER, "attachments": None}, "attachments", "must not be empty"),
        ({**LETTER, "attachments": [], "text": " \n"}, "attachments", "must not be empty"),
        (
            {**LETTER, "attachments": [ATTACHMENT] * 21},
            "attachments",
            "size must be between 0 and 20",
        ),
        ({**LETTER, "text": "a\x00"}, "text", "must not contain the character NUL"),
        ({**LETTER, "text": "a" * 50_001}, "text", "must not be longer than 50000 characters"),
        (with_address(city="a\x07b"), "address.city", "must not contain control characters"),
        (with_address(city="a" * 101), "address.city", "must not be longer than 100 characters"),
        (
            with_address(organizationNumber="123"),
            "address.organizationNumber",
            r"must match the regular expression ^([1235789][\d][2-9]\d{7})$",
        ),
        (without("zipCode"), "address.zipCode", "must not be blank"),
        (
            with_address(zipCode="8523"),
            "address.zipCode",
            "must be a Swedish postal code of five digits",
        ),
        (
            with_address(zipCode="NO-0150", country="sverige"),
            "address.zipCode",
            "must be a Swedish postal code of five digits",
        ),
        (without("city"), "address.city", "must not be blank"),
        (without("address"), "address.address", "must not be blank"),
        (
            with_address(firstName="", lastName=None),
            "address.lastName",
            "must not be blank: a letter is addressed to a name or an organizationName",
        ),
        (
            {**LETTER, "address": None},
            "address",
            "must not be null: a letter needs an address, or a party.partyId to look one up for",
        ),
    ],
)
def test_a_broken_rule_is_told_in_the_contracts_words(
    body: dict[str, Any], field: str, message: str
) -> None:
    assert violations(body) == {field: message}


@pytest.mark.parametrize(
    "name", ['a"b', "a*b", "a<b", "a>b", "a?b", "a|b", "a/b", "a\\b", "a:b", "a ", "a.", " ", ".."]
)
def test_a_folder_name_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    assert violations({**LETTER, "folderName": name}) == {"folderName": "not a valid folder name"}


@pytest.mark.parametrize("name", ["Kallelser", "Å ä, ö (2)", "..a", "a.b"])
def test_a_folder_name_is_kept_as_written(name: str) -> None:
    assert plan({**LETTER, "folderName": name}).content["folderName"] == name


def test_every_broken_rule_is_told_at_once() -> None:
    told = violations({**LETTER, "attachments": [], "address": {"country": "Sverige"}})
    assert told.keys() == {
        "attachments",
        "address.lastName",
        "address.address",
        "address.city",
        "address.zipCode",
    }


@pytest.mark.parametrize(
    "body",
    [
        {**LETTER, "address": None, "party": {"partyId": PARTY}},
        {**LETTER, "party": None},
        with_address(zipCode="0150", country="Norge"),
        with_address(zipCode="SE-852 30"),
        with_address(
            firstName=None,
            lastName=None,
            organizationName="Bolaget AB",
            organizationNumber="5560000000",
        ),
        with_address(address=None, careOf="c/o Berg"),
        {**LETTER, "address": None, "attachments": [{**ATTACHMENT, "envelopeType": "WINDOWED"}]},
        {**without("zipCode"), "attachments": [{**ATTACHMENT, "envelopeType": "WINDOWED"}]},
        {**LETTER, "attachments": [{**ATTACHMENT, "contentType": "application/PDF; x=y"}]},
        {**LETTER, "attachments": None, "text": "Hej"},
        {**LETTER, "attachments": [{**ATTACHMENT, "content": b64encode(PDF).decode().rstrip("=")}]},
    ],
)
def test_what_can_be_printed_is_taken(body: dict[str, Any]) -> None:
    assert violations(body) == {}


def test_a_windowed_pdf_behind_a_cover_page_needs_the_address_after_all() -> None:
    body = {**without("zipCode"), "attachments": [{**ATTACHMENT, "envelopeType": "WINDOWED"}]}
    assert violations({**body, "coverPage": True}).keys() == {"address.zipCode"}
    assert violations({**body, "text": "Hej"}).keys() == {"address.zipCode"}


def test_the_plan_is_one_letter_of_the_batch_that_the_caller_named() -> None:
    party = {"partyId": PARTY, "externalReferences": [{"key": "errand", "value": "7"}]}
    more = {
        "deviation": "A4",
        "folderName": "Kallelser",
        "reference": "r1",
        "priority": "HIGH",
        "subject": "Kallelse",
        "text": "Hej",
    }
    made = plan({**LETTER, **more, "party": party, "coverPage": True})
    assert (made.batch_id, made.priority, made.department, made.reference) == (
        parse_id(BATCH),
        Priority.HIGH,
        "Kultur",
        "r1",
    )
    assert orjson.loads(made.recipients[0].destination) == ANNA
    assert (made.recipients[0].party_id, list(made.entries)) == (PARTY, [0])
    assert made.content == {
        "department": "Kultur",
        "deviation": "A4",
        "folderName": "Kallelser",
        "subject": "Kallelse",
        "text": "Hej",
        "coverPage": True,
        "party": {"externalReferences": [{"key": "errand", "value": "7"}]},
        "attachments": [
            {
                "filename": "beslut.pdf",
                "contentType": "application/pdf",
                "digest": made.attachments[0].digest.hex(),
            }
        ],
    }
    assert made.attachments[0].data == PDF


def test_a_party_alone_is_a_destination_to_be_looked_up() -> None:
    made = plan({**LETTER, "address": None, "party": {"partyId": PARTY}})
    assert (made.recipients[0].destination, made.recipients[0].party_id) == ("", PARTY)
    assert (
        plan({**LETTER, "address": {}, "party": {"partyId": PARTY}}).recipients[0].destination == ""
    )


def test_the_form_is_the_contracts() -> None:
    (form,) = FORMS
    assert (form.path, form.operation, form.many, form.short) == (
        "snail-mail",
        "addSnailMailToBatch",
        False,
        None,
    )
    assert [(p.name, p.kind, p.required) for p in form.parameters] == [("batchId", "uuid", True)]
