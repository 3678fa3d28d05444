"""What a body may say, and in which words it is refused."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from utskick.channels.email.requests import (
    EmailBatchRequest,
    EmailRequest,
    ShortEmailBatchRequest,
    ShortEmailRequest,
)
from utskick.domain.errors import Invalid, Unreadable
from utskick.domain.recipient import Recipient
from utskick.domain.validators import refusal

PARTY = "f427952b-247c-4d3b-b081-675a467b3619"
GOOD: dict[str, Any] = {"emailAddress": "anna@example.com", "subject": "Hej", "message": "Hej du"}
FILE = {"name": "a.pdf", "contentType": "application/pdf", "content": b64encode(b"%PDF-").decode()}
ALLOWED = (
    "[Message-ID/MESSAGE_ID, In-Reply-To/IN_REPLY_TO, References/REFERENCES,"
    " Auto-Submitted/AUTO_SUBMITTED, List-Unsubscribe/LIST_UNSUBSCRIBE,"
    " List-Unsubscribe-Post/LIST_UNSUBSCRIBE_POST]"
)


def faults(model: type[BaseModel], body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    error = refusal(caught.value, model)
    assert isinstance(error, Invalid), error
    return [(v.field, v.message) for v in error.violations]


def test_the_whole_long_form_is_read() -> None:
    request = EmailRequest.model_validate(
        {
            **GOOD,
            "party": {"partyId": PARTY, "externalReferences": [{"key": "case", "value": "7"}]},
            "htmlMessage": b64encode(b"<p>Hej</p>").decode(),
            "sender": {
                "name": "Kommunen",
                "address": "a@sundsvall.se",
                "replyTo": "b@sundsvall.se",
            },
            "attachments": [FILE],
            "headers": {"MESSAGE_ID": ["<a@b>"], "References": ["<c@d>", "<e@f>"]},
            "reference": "row-1",
            "sendAt": "2026-03-01T12:00:00",
            "validUntil": "2026-03-02T12:00:00Z",
            "priority": "HIGH",
            "department": "SBK",
            "unknown": 1,
        }
    )
    assert request.recipients() == [Recipient("anna@example.com", PARTY)]
    assert request.content()["headers"] == {
        "MESSAGE_ID": ["<a@b>"],
        "References": ["<c@d>", "<e@f>"],
    }


def test_an_email_without_any_body_is_accepted() -> None:
    EmailRequest.model_validate({"emailAddress": "a@b", "subject": "Hej"})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"emailAddress": None}, [("emailAddress", "must not be blank")]),
        (
            {"emailAddress": " "},
            [
                ("emailAddress", "must not be blank"),
                ("emailAddress", "must be a well-formed email address"),
            ],
        ),
        ({"emailAddress": "nobody"}, [("emailAddress", "must be a well-formed email address")]),
        (
            {"emailAddress": "a@b.se\r\nBcc: c@d.se"},
            [("emailAddress", "must be a well-formed email address")],
        ),
        (
            {"emailAddress": "=?utf-8?q?a=40b?=@c.se"},
            [("emailAddress", "must be a well-formed email address")],
        ),
        (
            {"emailAddress": "a\u202eb@c.se"},
            [
                ("emailAddress", "must be a well-formed email address"),
                ("emailAddress", "must not contain U+202E"),
            ],
        ),
        (
            {"emailAddress": "a@" + "å" * 64 + ".se"},
            [("emailAddress", "must be a well-formed email address")],
        ),
        (
            {"emailAddress": "a" * 250 + "@b.se"},
            [("emailAddress", "must be a well-formed email address")],
        ),
        (
            {"emailAddress": "a" * 65 + "@b.se"},
            [("emailAddress", "must be a well-formed email address")],
        ),
        (
            {"emailAddress": "a@" + "b" * 64 + ".se"},
            [("emailAddress", "must be a well-formed email address")],
        ),
        ({"emailAddress": "a@-b.se"}, [("emailAddress", "must be a well-formed email address")]),
        ({"emailAddress": "a@*.se"}, [("emailAddress", "must be a well-formed email address")]),
        ({"subject": "s" * 1001}, [("subject", "must not be longer than 1000 characters")]),
        (
            {"sender": {"name": "n" * 1001, "address": "a@b.se"}},
            [("sender.name", "must not be longer than 1000 characters")],
        ),
        (
            {"attachments": [{**FILE, "name": "n" * 1001}]},
            [("attachments[0].name", "must not be longer than 1000 characters")],
        ),
        (
            {"headers": {"References": ["<a@b>"] * 10001}},
            [("headers.References", "must not be longer than 50000 characters in total")],
        ),
        ({"attachments": [None]}, [("attachments[0]", "must not be null")]),
        ({"subject": None}, [("subject", "must not be blank")]),
        ({"subject": "  "}, [("subject", "must not be blank")]),
        ({"subject": "Hej\r\nBcc: a@b.se"}, [("subject", "must not contain control characters")]),
        ({"subject": "Hej\u2028du"}, [("subject", "must not contain control characters")]),
        ({"message": "a\x00b"}, [("message", "must not contain the character NUL")]),
        ({"htmlMessage": ""}, [("htmlMessage", "not a valid BASE64-encoded string")]),
        ({"htmlMessage": "<p>"}, [("htmlMessage", "not a valid BASE64-encoded string")]),
        ({"party": {"partyId": "1-1-1-1-1"}}, [("party.partyId", "not a valid UUID")]),
        (
            {"party": {"externalReferences": [{"key": " ", "value": "x"}]}},
            [("party.externalReferences[0].key", "must not be blank")],
        ),
        ({"sender": {"address": "a@b.se"}}, [("sender.name", "must not be blank")]),
        (
            {"sender": {"name": "a\nb", "address": "a@b.se"}},
            [("sender.name", "must not contain control characters")],
        ),
        (
            {"sender": {"name": "a", "address": "b"}},
            [("sender.address", "must be a well-formed email address")],
        ),
        (
            {"sender": {"name": "a", "address": "a@b", "replyTo": "c\n@d"}},
            [("sender.replyTo", "must be a well-formed email address")],
        ),
        ({"attachments": [{"content": "aGVq"}]}, [("attachments[0].name", "must not be blank")]),
        (
            {"attachments": [{**FILE, "name": "a\r\n.pdf"}]},
            [("attachments[0].name", "must not contain control characters")],
        ),
        (
            {"attachments": [{**FILE, "contentType": "a/b\r\nX: y"}]},
            [("attachments[0].contentType", "must not contain control characters")],
        ),
        (
            {"attachments": [FILE, {**FILE, "content": "a b"}]},
            [("attachments[1].content", "not a valid BASE64-encoded string")],
        ),
        (
            {"attachments": [{"name": "a"}]},
            [("attachments[0].content", "not a valid BASE64-encoded string")],
        ),
        ({"reference": ""}, [("reference", "must be 1-64 printable characters")]),
        (
            {"headers": {"X-Own": ["a"]}},
            [("headers.X-Own", f"X-Own is not a valid header. Allowed headers are: {ALLOWED}")],
        ),
        (
            {"headers": {"message-id": ["<a@b>"]}},
            [
                (
                    "headers.message-id",
                    f"message-id is not a valid header. Allowed headers are: {ALLOWED}",
                )
            ],
        ),
        ({"headers": {"Message-ID": []}}, [("headers.Message-ID", "must not be empty")]),
        ({"headers": {"Message-ID": None}}, [("headers.Message-ID", "must not be empty")]),
        (
            {"headers": {"MESSAGE_ID": ["a@b"]}},
            [("headers.MESSAGE_ID", "must start with '<', contain '@' and end with '>'")],
        ),
        (
            {"headers": {"Message-ID": ["<a@b>", "<c@d>"]}},
            [("headers.Message-ID", "must have exactly one value")],
        ),
        (
            {"headers": {"In-Reply-To": ["<a@å>"]}},
            [("headers.In-Reply-To", "must contain only visible ASCII characters, and no '=?'")],
        ),
        (
            {"headers": {"References": [f"<{'a' * 990}@b>"]}},
            [("headers.References", "must not be longer than 900 characters")],
        ),
        (
            {"headers": {"Auto-Submitted": ["no"]}},
            [("headers.Auto-Submitted", "must be equal to 'auto-generated'")],
        ),
        (
            {"headers": {"References": ["<a@b>\r\nX: y>"]}},
            [
                ("headers.References", "must not contain control characters"),
                ("headers.References", "must start with '<', contain '@' and end with '>'"),
            ],
        ),
        (
            {"headers": {"Message-ID": ["<a@b>"], "MESSAGE_ID": ["<c@d>"]}},
            [
                ("headers.Message-ID", "must not be given both as Message-ID and as MESSAGE_ID"),
                ("headers.MESSAGE_ID", "must not be given both as Message-ID and as MESSAGE_ID"),
            ],
        ),
    ],
)
def test_a_broken_rule_is_told_at_its_field(
    change: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert faults(EmailRequest, {**GOOD, **change}) == expected


HTTPS = "<https://sundsvall.se/avsluta?id=1&lista=skola>"
ADDRESSES = "must be <https://…> or <mailto:…>, or several separated by commas (RFC 2369)"
ONE_CLICK = "List-Unsubscribe=One-Click"
NEEDS_HTTPS = "requires List-Unsubscribe with exactly one https address (RFC 8058 section 3.1)"


@pytest.mark.parametrize(
    "headers",
    [
        {"List-Unsubscribe": [HTTPS]},
        {"LIST_UNSUBSCRIBE": [HTTPS], "LIST_UNSUBSCRIBE_POST": [ONE_CLICK]},
        {"List-Unsubscribe": [HTTPS], "LIST_UNSUBSCRIBE_POST": [ONE_CLICK]},
        {"List-Unsubscribe": ["<mailto:avsluta@sundsvall.se?subject=Avsluta%20skola>"]},
        {"List-Unsubscribe": ["<mailto:a@b.se>, <HTTPS://b.se:8443/x>"]},
        {
            "List-Unsubscribe": ["<mailto:a@b.se>", HTTPS],
            "List-Unsubscribe-Post": [ONE_CLICK],
        },
    ],
)
def test_addresses_to_unsubscribe_are_taken(headers: dict[str, list[str]]) -> None:
    assert EmailRequest.model_validate({**GOOD, "headers": headers}).headers == headers


@pytest.mark.parametrize(
    "value",
    [
        "https://sundsvall.se/avsluta",
        "<https://sundsvall.se/avsluta",
        "<http://sundsvall.se/avsluta>",
        "<ftp://sundsvall.se/avsluta>",
        "<https://>",
        "<https:///avsluta>",
        "<https://sundsvall.se:99999/>",
        "<https://[::1/>",
        "<https://sundsvall.se/a b>",
        "<https://sundsvall.se/å>",
        "<https://sundsvall.se/%zz>",
        "<https://sundsvall.se/=?utf-8?q?x?=>",
        "<mailto:>",
        "<mailto:sundsvall.se>",
        "<mailto:a@b.se%0D%0ABcc:c@d.se>",
        "<>",
        f"{HTTPS} {HTTPS}",
        f"{HTTPS}, <javascript:alert(1)>",
        f"{HTTPS};",
        "",
    ],
)
def test_what_no_reader_could_unsubscribe_by_is_refused(value: str) -> None:
    told = faults(EmailRequest, {**GOOD, "headers": {"List-Unsubscribe": [value]}})
    assert told == [("headers.List-Unsubscribe", ADDRESSES)]


def test_no_header_can_be_added_by_an_address_to_unsubscribe() -> None:
    value = "<https://b.se/>\r\nBcc: <https://c.se/>"
    told = faults(EmailRequest, {**GOOD, "headers": {"List-Unsubscribe": [value]}})
    assert ("headers.List-Unsubscribe", "must not contain control characters") in told


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"List-Unsubscribe-Post": [ONE_CLICK]}, NEEDS_HTTPS),
        (
            {
                "List-Unsubscribe": ["<mailto:a@b.se>"],
                "List-Unsubscribe-Post": [ONE_CLICK],
            },
            NEEDS_HTTPS,
        ),
        (
            {
                "List-Unsubscribe": [HTTPS, "<https://b.se/>"],
                "List-Unsubscribe-Post": [ONE_CLICK],
            },
            NEEDS_HTTPS,
        ),
        (
            {"List-Unsubscribe": [HTTPS], "List-Unsubscribe-Post": ["list-unsubscribe=one-click"]},
            f"must be equal to '{ONE_CLICK}' (RFC 8058)",
        ),
        (
            {"List-Unsubscribe": [HTTPS], "List-Unsubscribe-Post": [ONE_CLICK] * 2},
            "must have exactly one value",
        ),
    ],
)
def test_one_click_is_refused_where_it_could_not_work(
    headers: dict[str, list[str]], expected: str
) -> None:
    told = faults(EmailRequest, {**GOOD, "headers": headers})
    assert told == [("headers.List-Unsubscribe-Post", expected)]


@pytest.mark.parametrize("mark", sorted("\u202a\u202d\u202e\u2066\u2069"))
def test_a_file_name_that_looks_like_another_is_refused(mark: str) -> None:
    body = {**GOOD, "attachments": [{**FILE, "name": f"beslut{mark}fdp.exe"}]}
    message = f"must not contain characters that change the direction of text: U+{ord(mark):04X}"
    assert faults(EmailRequest, body) == [("attachments[0].name", message)]


def test_all_faults_are_told_at_once() -> None:
    told = faults(
        EmailRequest,
        {"emailAddress": "x", "headers": {"A": ["b"], "References": []}, "attachments": [{}]},
    )
    assert {field for field, _ in told} == {
        "emailAddress",
        "subject",
        "headers.A",
        "headers.References",
        "attachments[0].name",
        "attachments[0].content",
    }


@pytest.mark.parametrize("field", ["subject", "message", "department", "reference"])
def test_a_lone_surrogate_is_refused(field: str) -> None:
    body = {**GOOD, field: "a\ud800"}
    assert [where for where, _ in faults(EmailRequest, body)] == [field]
    with pytest.raises(ValidationError) as caught:
        EmailRequest.model_validate_json(json.dumps(body))
    assert isinstance(refusal(caught.value, EmailRequest), Unreadable)


def test_an_unknown_priority_cannot_be_read() -> None:
    with pytest.raises(ValidationError) as caught:
        EmailRequest.model_validate({**GOOD, "priority": "high"})
    assert isinstance(refusal(caught.value, EmailRequest), Unreadable)


def test_a_batch_needs_somebody() -> None:
    assert faults(EmailBatchRequest, {"subject": "Hej", "parties": []}) == [
        ("parties", "must not be empty")
    ]
    assert faults(EmailBatchRequest, {"subject": "Hej"}) == [("parties", "must not be empty")]


def test_a_batch_is_no_larger_than_100_000() -> None:
    parties = [{"emailAddress": "a@b.se"}] * 100_001
    assert faults(EmailBatchRequest, {"subject": "Hej", "parties": parties}) == [
        ("parties", "size must be between 1 and 100000")
    ]
    assert (
        len(EmailBatchRequest.model_validate({"subject": "Hej", "parties": parties[1:]}).parties)
        == 100_000
    )


def test_a_fault_in_a_batch_names_its_row() -> None:
    body = {
        "subject": "Hej",
        "parties": [{"emailAddress": "a@b.se"}, {"emailAddress": "b", "partyId": "x"}],
    }
    assert set(faults(EmailBatchRequest, body)) == {
        ("parties[1].emailAddress", "must be a well-formed email address"),
        ("parties[1].partyId", "not a valid UUID"),
    }


def test_a_row_of_a_batch_that_is_null_is_told_as_such() -> None:
    assert faults(EmailBatchRequest, {"subject": "Hej", "parties": [None]}) == [
        ("parties[0]", "must not be null")
    ]


def test_the_short_form_takes_any_person_and_needs_no_subject() -> None:
    request = ShortEmailRequest.model_validate(
        {
            "sender": "noreply@sundsvall.se",
            "emailAddress": "a@b.se",
            "personId": "435rfret45",
            "message": "Hej",
        }
    )
    assert request.recipients() == [Recipient("a@b.se", "435rfret45")]


def test_the_short_form_needs_a_sender_and_a_message() -> None:
    told = faults(ShortEmailRequest, {"emailAddress": "a@b.se", "personId": "a b"})
    assert {field for field, _ in told} == {"sender", "message", "personId"}


def test_a_short_batch_keeps_the_order_of_its_rows() -> None:
    request = ShortEmailBatchRequest.model_validate(
        {
            "sender": "a@b.se",
            "message": "Hej",
            "parties": [{"emailAddress": "b@b.se", "reference": "2"}, {"emailAddress": "a@b.se"}],
        }
    )
    assert request.recipients() == [Recipient("b@b.se", None, "2"), Recipient("a@b.se")]
