"""Every rule of a body (contract sections 1.1 and 4) with its words: which field, which sentence,
and what hides what."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any, Final

from tests.http.conftest import Answer, Client
from tests.http.examples import EXAMPLES

ABSENT: Final = object()
PARTY: Final = "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"

BLANK, EMPTY, NULL, UUID = (
    "must not be blank",
    "must not be empty",
    "must not be null",
    "not a valid UUID",
)
MSISDN = r"must be a valid MSISDN (example: +46701740605). Regular expression: ^\+[1-9][\d]{3,14}$"
EMAIL, BASE64 = "must be a well-formed email address", "not a valid BASE64-encoded string"
PDF, TEXT = "must be one of: [application/pdf]", "must be one of: [text/plain, text/html]"
ONE_TO_TEN = "Attachments must contain 1-10 items when provided, or be null/omitted"
ID = "must start with '<', contain '@' and end with '>'"
REFERENCES = [
    ("party.externalReferences", [{"value": "1"}], {"party.externalReferences[0].key": BLANK}),
    (
        "party.externalReferences",
        [{"key": "a", "value": " "}],
        {"party.externalReferences[0].value": BLANK},
    ),
]


def blanks(*places: str) -> Iterator[tuple[str, Any, str]]:
    """``@NotBlank``."""
    for place in places:
        yield from ((place, value, BLANK) for value in (ABSENT, None, "", " ", "   "))


def each(place: str, values: tuple[Any, ...], message: str) -> Iterator[tuple[str, Any, str]]:
    yield from ((place, value, message) for value in values)


SENDER = [
    *blanks("sender.name"),
    ("sender.address", ABSENT, BLANK),
    ("sender.address", "", BLANK),
    ("sender.address", " ", [BLANK, EMAIL]),
    ("sender.address", "anna", EMAIL),
    ("sender.replyTo", "anna", EMAIL),
]
MAIL = [
    *blanks("subject"),
    *each("htmlMessage", ("", " ", "inte base64!", "a", "YQ==\n"), BASE64),
    *SENDER,
    ("attachments", [{"content": "YQ=="}], {"attachments[0].name": BLANK}),
    ("attachments", [{"name": "a.txt"}], {"attachments[0].content": BASE64}),
    ("attachments", [{"name": "a.txt", "content": ""}], {"attachments[0].content": BASE64}),
    ("headers", {"Message-ID": ["a@b"]}, {"headers.Message-ID": ID}),
    ("headers", {"IN_REPLY_TO": ["<a>"]}, {"headers.IN_REPLY_TO": ID}),
    ("headers", {"References": ["<a@b>", "b"]}, {"headers.References": ID}),
    (
        "headers",
        {"AUTO_SUBMITTED": ["no"]},
        {"headers.AUTO_SUBMITTED": "must be equal to 'auto-generated'"},
    ),
    ("headers", {"References": []}, {"headers.References": EMPTY}),
    ("headers", {"References": None}, {"headers.References": EMPTY}),
]
SUPPORT = [
    ("sender", {}, {"sender.supportInfo": NULL}),
    ("sender", {"supportInfo": {}}, {"sender.supportInfo.text": BLANK}),
    ("sender", {"supportInfo": {"text": " "}}, {"sender.supportInfo.text": BLANK}),
    (
        "sender",
        {"supportInfo": {"text": "a", "emailAddress": "anna.andersson"}},
        {"sender.supportInfo.emailAddress": [EMAIL]},
    ),
]
NUMBERS = (
    ABSENT,
    None,
    "",
    " ",
    "0701740605",
    "+0701740605",
    "+461",
    "+46 701740605",
    "+4670174060512345",
)
IDS = ("", " ", "x", "1-1-1-1-1", PARTY + "0", "{" + PARTY + "}")

#: By path and the example that is made wrong: the place, the value, and the message (at that place)
#: or the messages by field.
BODIES: dict[tuple[str, str], list[tuple[str, Any, Any]]] = {
    ("/sms", "SmsRequest"): [
        *each("mobileNumber", NUMBERS, MSISDN),
        *blanks("message"),
        *each("sender", ("", "ab", "Tolv_tecken_"), "size must be between 3 and 11"),
        *each("party.partyId", IDS, UUID),
        *REFERENCES,
    ],
    ("/sms/batch", "SmsBatchRequest"): [
        *each("parties", (ABSENT, None, []), EMPTY),
        *each("parties[1].mobileNumber", NUMBERS, MSISDN),
        *each("parties[0].partyId", IDS, UUID),
        *blanks("message"),
        ("sender", "ab", "size must be between 3 and 11"),
    ],
    ("/email", "EmailRequest"): [
        *each("emailAddress", (ABSENT, None, ""), BLANK),
        ("emailAddress", " ", [BLANK, EMAIL]),
        *each("emailAddress", ("anna", "@a", "a@", "a b@c"), EMAIL),
        *each("party.partyId", IDS, UUID),
        *REFERENCES,
        *MAIL,
    ],
    ("/email/batch", "EmailBatchRequest"): [
        *each("parties", (ABSENT, None, []), EMPTY),
        ("parties[0].emailAddress", ABSENT, BLANK),
        ("parties[1].emailAddress", "anna", EMAIL),
        *each("parties[0].partyId", IDS, UUID),
        *MAIL,
    ],
    ("/webmessage", "WebMessageRequest"): [
        *each("party", (ABSENT, None), NULL),
        *blanks("message"),
        *each("party.partyId", IDS, UUID),
        *each("oepInstance", ("internal", "", "BOTH"), "instance must be 'INTERNAL' or 'EXTERNAL'"),
        ("attachments", [], ONE_TO_TEN),
        ("attachments", [{"base64Data": "YQ=="}] * 11, ONE_TO_TEN),
        (
            "party.externalReferences",
            [{"key": "flowInstanceId", "value": " "}],
            {"party.externalReferences[0].value": BLANK},
        ),
    ],
    ("/2120002411/digital-mail", "DigitalMailRequest"): [
        *each("party", (ABSENT, None), NULL),
        *each("party.partyIds", (ABSENT, None, []), EMPTY),
        *((("party.partyIds", [PARTY, value], {"party.partyIds[1]": UUID})) for value in IDS),
        ("party.partyIds", [None], {"party.partyIds[0]": UUID}),
        *REFERENCES,
        *SUPPORT,
        *each("contentType", ("text/xml", "", "TEXT/PLAIN"), TEXT),
        ("contentType", ABSENT, "contentType must be set when body is provided"),
        *each("attachments[0].contentType", (ABSENT, None, "", "image/png"), PDF),
        *blanks("attachments[0].content", "attachments[0].filename"),
    ],
    ("/digital-invoice", "DigitalInvoiceRequest"): [
        *each("party", (ABSENT, None), NULL),
        *each("party.partyId", (ABSENT, None, *IDS), UUID),
        *REFERENCES,
        *each("type", (ABSENT, None), NULL),
        *each("details", (ABSENT, None), NULL),
        *each("details.amount", (ABSENT, None), NULL),
        *each("details.amount", (0, -1, -0.01), "must be greater than 0"),
        *each("details.dueDate", (ABSENT, None), NULL),
        *each("details.paymentReferenceType", (ABSENT, None), NULL),
        *each("details.accountType", (ABSENT, None), NULL),
        *blanks("details.paymentReference", "details.accountNumber", "files[0].filename"),
        ("details.paymentReference", "1" * 26, "size must be between 1 and 25"),
        *each("files", (ABSENT, None, []), EMPTY),
        *each("files[0].contentType", (ABSENT, "image/png"), PDF),
        *each("files[0].content", (ABSENT, "", " ", "!"), BASE64),
    ],
    ("/messages", "MessageRequest"): [
        *each("messages", (ABSENT, None, []), EMPTY),
        *each("messages[0].party", (ABSENT, None), NULL),
        *each("messages[0].party.partyId", (ABSENT, None, *IDS), UUID),
        *blanks("messages[0].message"),
        (
            "messages[0].sender",
            {"email": {}},
            {"messages[0].sender.email.name": BLANK, "messages[0].sender.email.address": BLANK},
        ),
        (
            "messages[0].sender",
            {"email": {"name": "a", "address": "b", "replyTo": "c"}},
            {"messages[0].sender.email.address": EMAIL, "messages[0].sender.email.replyTo": EMAIL},
        ),
        *(
            (
                (
                    "messages[0].sender",
                    {"sms": {"name": value}},
                    {"messages[0].sender.sms.name": BLANK},
                )
            )
            for value in (None, "", " ")
        ),
        (
            "messages[0].sender",
            {"sms": {"name": "Tolv_tecken_"}},
            {"messages[0].sender.sms.name": "size must be between 0 and 11"},
        ),
    ],
    ("/letter", "LetterRequest"): [
        *each("party", (ABSENT, None), NULL),
        ("party", {}, "must have partyIds or addresses: the letter has no recipient"),
        *((("party.partyIds", [value], {"party.partyIds[0]": UUID})) for value in (None, *IDS)),
        *REFERENCES,
        *SUPPORT,
        *each("contentType", ("text/xml", ""), TEXT),
        *blanks("department", "attachments[0].filename", "attachments[0].content"),
        *each("attachments", (ABSENT, None, []), EMPTY),
        *each("attachments[0].deliveryMode", (ABSENT, None), NULL),
        *each("attachments[0].contentType", ("image/png", ""), PDF),
    ],
    (f"/snail-mail?batchId={PARTY}", "SnailmailRequest"): [
        *blanks("department", "attachments[0].filename"),
        *each("attachments", (ABSENT, None, []), EMPTY),
        *each("attachments[0].content", (ABSENT, "", "!"), BASE64),
        *each("party.partyId", IDS, UUID),
        *REFERENCES,
        *each("folderName", ("", " ", "a/b", "a:b", "a?", "a ", "a."), "not a valid folder name"),
    ],
    ("/slack", "SlackRequest"): [*blanks("channel", "message"), *each("token", ("", " "), BLANK)],
}


def with_fault(body: Any, place: str, value: Any) -> Any:
    """The body with one member changed; what lies on the way there is made."""
    made = copy.deepcopy(body)
    *way, last = re.findall(r"[^.\[\]]+", place)
    at = made
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    if value is ABSENT:
        at.pop(last, None)
    else:
        at[last] = value
    return made


def violations(answer: Answer) -> dict[str, list[str]]:
    """Messages by field; a problem of the contract's shape."""
    assert answer.status == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["title"] == "Constraint Violation", answer.text
    assert (
        answer.json["type"]
        == "https://github.com/Sundsvallskommun/dept44/problems/constraint-violation"
    )
    assert answer.json.keys() == {"type", "title", "status", "violations"}
    told: dict[str, list[str]] = {}
    for violation in answer.json["violations"]:
        told.setdefault(violation["field"], []).append(violation["message"])
    return {field: sorted(messages) for field, messages in told.items()}


def meant(place: str, expected: Any) -> dict[str, list[str]]:
    by_field = expected if isinstance(expected, dict) else {place: expected}
    return {
        field: sorted([said] if isinstance(said, str) else said) for field, said in by_field.items()
    }


async def test_every_rule_of_a_body_has_its_words(client: Client) -> None:
    wrong = []
    for (path, example), rules in BODIES.items():
        for place, value, expected in rules:
            answer = await client.post(f"/2281{path}", with_fault(EXAMPLES[example], place, value))
            told = (
                violations(answer)
                if "violations" in (answer.json or {})
                else {"": [f"{answer.status} {answer.text[:200]}"]}
            )
            if told != meant(place, expected):
                wrong.append((path, place, value, told))
    assert wrong == [], "\n".join(map(str, wrong))


HEADERS = {"X-Mailer": ["a"], "message-id": ["<a@b>"], " ": ["a"]}


async def test_a_header_that_is_none_of_the_allowed_ones_is_named_with_those_that_are(
    client: Client,
) -> None:
    told = violations(
        await client.post("/2281/email", {**EXAMPLES["EmailRequest"], "headers": HEADERS})
    )
    allowed = (
        "[Message-ID/MESSAGE_ID, In-Reply-To/IN_REPLY_TO, References/REFERENCES,"
        " Auto-Submitted/AUTO_SUBMITTED, List-Unsubscribe/LIST_UNSUBSCRIBE,"
        " List-Unsubscribe-Post/LIST_UNSUBSCRIBE_POST]"
    )
    assert told.keys() == {"headers.X-Mailer", "headers.message-id", "headers. "}
    assert told["headers.X-Mailer"] == [
        f"X-Mailer is not a valid header. Allowed headers are: {allowed}"
    ]
    assert BLANK in told["headers. "]


async def test_a_web_message_of_an_owner_names_one_of_two(client: Client) -> None:
    """The rule of the whole body, in its own words and in those of its class."""
    body = {**EXAMPLES["WebMessageRequest"], "sendAsOwner": True}
    party = {**body["party"], "partyId": PARTY}
    neither = {**body, "sender": {}}
    both = {**body, "party": party}
    general = "Invalid web message request"
    assert violations(await client.post("/2281/webmessage", neither)) == {
        "webMessageRequest": sorted(
            ["Both partyId and userId cannot be null if sendAsOwner is true", general]
        )
    }
    assert violations(await client.post("/2281/webmessage", both)) == {
        "webMessageRequest": sorted(
            ["Only one of partyId and userId can be set if sendAsOwner is true", general]
        )
    }


async def test_mailboxes_are_asked_for_by_a_list_of_different_ids(client: Client) -> None:
    path, listed = "/2281/2120002411/mailboxes", "getMailboxes.partyIds"
    assert violations(await client.post(path, [])) == {listed: [EMPTY]}
    assert violations(await client.post(path, [PARTY, PARTY.upper()])) == {
        listed: ["must only contain unique elements"]
    }
    assert violations(await client.post(path, [PARTY, "x", None])) == {
        f"{listed}[{n}].<list element>": [UUID] for n in (1, 2)
    }


async def test_all_that_is_wrong_with_a_body_is_told_at_once(client: Client) -> None:
    body = {
        "party": {"partyId": "x", "externalReferences": [{}]},
        "sender": "ab",
        "mobileNumber": "1",
        "message": " ",
    }
    assert violations(await client.post("/2281/sms", body)).keys() == {
        "party.partyId",
        "party.externalReferences[0].key",
        "party.externalReferences[0].value",
        "sender",
        "mobileNumber",
        "message",
    }


async def test_a_wrong_body_hides_what_is_wrong_with_the_path(client: Client) -> None:
    mail = EXAMPLES["DigitalMailRequest"]
    assert violations(await client.post("/1234/sms", {})).keys() == {"mobileNumber", "message"}
    assert violations(await client.post("/1234/123/digital-mail", {})).keys() == {"party"}
    assert violations(await client.post("/1234/123/digital-mail", mail)).keys() == {
        "sendDigitalMail.municipalityId",
        "sendDigitalMail.organizationNumber",
    }


async def test_a_member_of_the_wrong_type_is_named_and_a_body_that_is_no_json_has_none(
    client: Client,
) -> None:
    answer = await client.post("/2281/sms", {"mobileNumber": ["+46701740605"], "message": "m"})
    assert answer.status == 400
    assert [reason["field"] for reason in answer.json["reasons"]] == ["mobileNumber"]
    answer = await client.post("/2281/sms", "{")
    assert answer.status == 400
    assert all("field" not in reason and reason["message"] for reason in answer.json["reasons"])
