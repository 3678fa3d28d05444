"""POST /sms, /email and their batches, as the contract says."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from tests.http.conftest import Client
from tests.http.pdf import encoded

SMS = {"mobileNumber": "+46701740605", "message": "Skolan är stängd i dag."}
EMAIL = {
    "emailAddress": "anna@example.se",
    "subject": "Skolan",
    "message": "Skolan är stängd i dag.",
}


async def test_a_synchronous_sms_is_sent_and_its_status_told(client: Client) -> None:
    answer = await client.post("/2281/sms", SMS)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/2281/status/messages/{answer.json['messageId']}"
    assert answer.json["deliveries"][0]["messageType"] == "SMS"
    assert answer.json["deliveries"][0]["status"] == "SENT"
    assert answer.json["sms"] == {"encoding": "GSM-7", "characters": 23, "segments": 1}
    [received] = await client.received("sms", "+46701740605")
    assert received["text"] == SMS["message"]
    assert received["key"] == answer.json["deliveries"][0]["deliveryId"]


async def test_an_asynchronous_answer_carries_no_status(client: Client) -> None:
    answer = await client.post("/2281/sms?async=true", SMS)
    assert answer.status == 201
    assert set(answer.json["deliveries"][0]) == {"deliveryId", "messageType"}
    status = await client.get(answer.headers["Location"])
    assert status.status == 200
    assert status.json["deliveries"][0]["status"] in ("PENDING", "SENT")


async def test_the_envelope_headers_are_on_every_answer(client: Client) -> None:
    for answer in (
        await client.post("/2281/sms?async=true", SMS, x_request_id="min-egen"),
        await client.get("/nowhere", x_request_id="min-egen"),
    ):
        assert answer.headers["x-request-id"] == "min-egen"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Expires"] == "0"
        assert answer.headers["Pragma"] == "no-cache"


async def test_a_provider_that_says_no_politely_gives_201_and_not_sent(client: Client) -> None:
    answer = await client.post("/2281/sms", {**SMS, "mobileNumber": "+46700000003"})
    assert answer.status == 201
    assert answer.json["deliveries"][0]["status"] == "NOT_SENT"
    assert answer.json["deliveries"][0]["reason"]["providerCode"] == "2104"


async def test_one_delivery_that_fails_is_a_502_with_the_ids(client: Client) -> None:
    answer = await client.post("/2281/email", {**EMAIL, "emailAddress": "anna+refuse@example.se"})
    assert answer.status == 502
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["title"] == "Bad Gateway"
    assert answer.json["detail"].startswith("EmailSender error: {detail=")
    found = await client.get(f"/2281/status/delivery/{answer.json['deliveryId']}")
    assert found.json["status"] == "FAILED"
    assert found.json["messageId"] == answer.json["messageId"]
    assert found.json["batchId"] == answer.json["batchId"]


async def test_a_batch_answers_in_the_order_of_its_recipients_and_sends_duplicates_once(
    client: Client,
) -> None:
    party = str(uuid4())
    numbers = ["+46701740605", "+46701740606", "+46701740605", "+46701740607"]
    parties = [
        {"mobileNumber": n, "partyId": party, "reference": f"rad {i}"}
        for i, n in enumerate(numbers)
    ]
    answer = await client.post(
        "/2281/sms/batch", {"message": "Hej", "parties": parties, "department": "Skola"}
    )
    assert answer.status == 201
    assert answer.headers["Location"] == f"/2281/status/batch/{answer.json['batchId']}"
    ids = [m["messageId"] for m in answer.json["messages"]]
    assert len(ids) == 4
    assert ids[0] == ids[2]
    assert len(set(ids)) == 3
    assert answer.json["duplicates"] == 1
    assert [m["reference"] for m in answer.json["messages"]] == ["rad 0", "rad 1", "rad 0", "rad 3"]
    status = await settled(client, answer.headers["Location"])
    assert [m["messageId"] for m in status["messages"]] == [ids[0], ids[1], ids[3]]
    for number in set(numbers):
        assert len(await client.received("sms", number)) == 1


async def settled(client: Client, location: str) -> dict[str, object]:
    async with asyncio.timeout(20):
        while True:
            found = (await client.get(location)).json
            if not found["counts"].keys() & {"queued", "sending", "deferred"}:
                return dict(found)
            await asyncio.sleep(0.1)


async def test_what_is_to_be_sent_later_is_sent_then_though_nobody_says_that_its_time_has_come(
    client: Client,
) -> None:
    due = datetime.now(UTC) + timedelta(seconds=1.2)
    answer = await client.post("/2281/sms?async=true", {**SMS, "sendAt": due.isoformat()})
    assert answer.status == 201
    async with asyncio.timeout(6):
        while not await client.received("sms", SMS["mobileNumber"]):
            await asyncio.sleep(0.1)
    assert datetime.now(UTC) >= due


@pytest.mark.parametrize(("ago", "status"), [(50, 201), (70, 400)])
async def test_a_time_of_sending_may_be_a_minute_ago(client: Client, ago: int, status: int) -> None:
    due = datetime.now(UTC) - timedelta(seconds=ago)
    answer = await client.post("/2281/sms", {**SMS, "sendAt": due.isoformat()})
    assert answer.status == status, answer.text
    if status == 400:
        assert answer.json["violations"] == [
            {"field": "sendAt", "message": "must not be in the past"}
        ]


async def test_decomposed_text_is_composed_before_it_is_counted_and_sent(client: Client) -> None:
    text = "Skolan a\u0308r sta\u0308ngd 👩\u200d🏫"
    answer = await client.post("/2281/sms", {**SMS, "message": text})
    assert answer.json["sms"]["characters"] == len("Skolan är stängd ") + 5
    [received] = await client.received("sms", SMS["mobileNumber"])
    assert received["text"] == "Skolan är stängd 👩\u200d🏫"
    plain = await client.post("/2281/sms", {**SMS, "message": "A\u030asa"})
    assert plain.json["sms"] == {"encoding": "GSM-7", "characters": 3, "segments": 1}


@pytest.mark.parametrize(
    "number", [46701740605.0, "701740605.0", "\u202d+46 070-174 06 05\u202c", "4.6701740605E+10"]
)
async def test_a_spreadsheets_number_is_sent_to_that_number_and_no_other(
    client: Client, number: object
) -> None:
    answer = await client.post("/sms", {"mobileNumber": number, "message": "Hej"})
    assert answer.status == 201, answer.text
    [received] = await client.received("sms", "+46701740605")
    assert received["text"] == "Hej"


async def test_the_status_of_a_batch_says_what_waits_and_until_when(client: Client) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    parties = [{"mobileNumber": f"+4670174060{n}"} for n in range(3)]
    body = {"message": "Hej", "parties": parties, "sendAt": later.isoformat()}
    answer = await client.post("/2281/sms/batch?async=true", body)
    place = answer.headers["Location"]
    found = (await client.get(f"{place}?messages=false")).json
    assert found["waiting"] == 3
    local = later.astimezone(ZoneInfo("Europe/Stockholm")).replace(tzinfo=None)
    assert datetime.fromisoformat(found["waitsUntil"]) == local
    assert "waiting" not in (await client.get(place)).json


async def test_an_email_with_everything_arrives_whole(client: Client) -> None:
    pdf = b"%PDF-1.4 \xc3\xa5\x00\xff"
    answer = await client.post(
        "/2281/email",
        {
            **EMAIL,
            "subject": "Skolan är stängd € 🏫",
            "sender": {
                "name": "Åse Ärlig",
                "address": "noreply@sundsvall.se",
                "replyTo": "svar@sundsvall.se",
            },
            "htmlMessage": b64encode("<p>Skolan är <b>stängd</b></p>".encode()).decode(),
            "attachments": [
                {
                    "name": "beslut å.pdf",
                    "contentType": "application/pdf",
                    "content": b64encode(pdf).decode(),
                }
            ],
            "headers": {
                "Auto-Submitted": ["auto-generated"],
                "In-Reply-To": ["<a@b>"],
                "LIST_UNSUBSCRIBE": ["<https://sundsvall.se/avsluta?id=1>"],
            },
        },
    )
    assert answer.status == 201, answer.text
    assert answer.json["deliveries"][0]["status"] == "SENT"
    [received] = await client.received("email", "anna@example.se")
    assert received["subject"] == "Skolan är stängd € 🏫"
    assert received["text"].strip() == EMAIL["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/sms",
            {
                "sender": "Utskick",
                "mobileNumber": "070-174 06 05",
                "personId": "435rfret45",
                "message": "Hej",
            },
        ),
        (
            "/email",
            {
                "sender": "noreply@sundsvall.se",
                "emailAddress": "anna@example.se",
                "personId": "435rfret45",
                "message": "Hej",
            },
        ),
    ],
)
async def test_the_short_form_serves_the_default_municipality(
    client: Client, path: str, body: dict[str, str]
) -> None:
    answer = await client.post(path, body)
    assert answer.status == 201, answer.text
    assert answer.headers["Location"].startswith("/2281/")
    [said] = (await client.get("/435rfret45/conversationHistory")).json
    assert said["message"] == "Hej"
    assert said["sender"] == body["sender"]
    assert (await client.get(answer.headers["Location"].removeprefix("/2281"))).json[
        "messageId"
    ] == answer.json["messageId"]


BAD = [
    ("/2281/sms", "{", 400, None),
    ("/2281/sms", '{"mobileNumber": {}, "message": "a"}', 400, None),
    ("/2281/sms", '{"mobileNumber":"+46701740605","message":"\\ud800"}', 400, None),
    ("/2281/sms", {**SMS, "priority": "URGENT"}, 400, None),
    ("/2281/sms?async=kanske", SMS, 400, None),
    ("/1234/sms", SMS, 400, {"sendSms.municipalityId"}),
    ("/2281/sms", {}, 400, {"mobileNumber", "message"}),
    ("/2281/sms", {**SMS, "mobileNumber": "0701740605"}, 400, {"mobileNumber"}),
    ("/2281/sms", {**SMS, "sender": "Tolv_tecken_"}, 400, {"sender"}),
    ("/2281/sms", {**SMS, "message": "a\x00b"}, 400, {"message"}),
    ("/2281/sms", {**SMS, "message": "a" * 1600}, 400, {"message"}),
    ("/2281/sms", {**SMS, "validUntil": "2020-01-01T00:00:00"}, 400, {"validUntil"}),
    ("/2281/sms", {**SMS, "sendAt": "9999-12-31T23:59:59Z"}, 400, {"sendAt"}),
    ("/2281/sms", {**SMS, "sendAt": "2020-01-01T00:00:00"}, 400, {"sendAt"}),
    ("/2281/sms", {**SMS, "sendAt": "2035-10-09"}, 400, None),
    ("/2281/sms", {**SMS, "sendAt": 2068613400}, 400, None),
    ("/2281/sms", {**SMS, "sendAt": "2027-03-28T02:30:00"}, 400, None),
    ("/2281/sms", {**SMS, "validUntil": "2035-10-09T24:00:00Z"}, 400, None),
    ("/2281/email", {**EMAIL, "emailAddress": "anna@example.123"}, 400, {"emailAddress"}),
    ("/sms", {"mobileNumber": "070174060", "message": "a"}, 400, {"mobileNumber"}),
    ("/sms", {"mobileNumber": "4,67E+10", "message": "a"}, 400, {"mobileNumber"}),
    ("/2281/sms/batch", {"message": "a", "parties": []}, 400, {"parties"}),
    (
        "/2281/sms/batch",
        {"message": "a", "parties": [{"mobileNumber": "+46701740605"}] * 100_001},
        400,
        {"parties"},
    ),
    ("/2281/email", {**EMAIL, "subject": "a\r\nBcc: b@example.se"}, 400, {"subject"}),
    ("/2281/email", {**EMAIL, "htmlMessage": "inte base64!"}, 400, {"htmlMessage"}),
    (
        "/2281/email",
        {**EMAIL, "htmlMessage": b64encode(b"<meta charset=utf-8>\xe5").decode()},
        400,
        {"htmlMessage"},
    ),
    (
        "/2281/messages",
        {
            "messages": [
                {
                    "party": {"partyId": "e8660aab-6df9-4ed5-86d1-d9b90a5f7e87"},
                    "message": "Hej",
                    "htmlMessage": b64encode(b"<meta charset=utf-8>\xe5").decode(),
                }
            ]
        },
        400,
        {"messages[0].htmlMessage"},
    ),
    (
        "/2281/email",
        {**EMAIL, "headers": {"List-Unsubscribe-Post": ["List-Unsubscribe=One-Click"]}},
        400,
        {"headers.List-Unsubscribe-Post"},
    ),
    ("/2281/email", {**EMAIL, "attachments": [{"content": "YQ=="}]}, 400, {"attachments[0].name"}),
    ("/2281/email", {**EMAIL, "headers": {"Bcc": ["a@b.se"]}}, 400, {"headers.Bcc"}),
    ("/2281/email", {**EMAIL, "emailAddress": " "}, 400, {"emailAddress"}),
]


@pytest.mark.parametrize(("path", "body", "status", "fields"), BAD)
async def test_bad_input_names_every_field_and_stores_nothing(
    client: Client, database: object, path: str, body: object, status: int, fields: set[str] | None
) -> None:
    answer = await client.post(path, body)
    assert answer.status == status, answer.text[:300]
    assert answer.headers["Content-Type"] == "application/problem+json"
    if fields is None:
        assert answer.json["title"] == "Bad Request"
        assert "violations" not in answer.json
    else:
        assert (
            answer.json["type"]
            == "https://github.com/Sundsvallskommun/dept44/problems/constraint-violation"
        )
        assert {v["field"] for v in answer.json["violations"]} == fields
    assert await database.pool.fetchval("SELECT count(*) FROM batches") == 0  # type: ignore[attr-defined]


async def test_a_blank_address_breaks_two_rules_and_both_are_told(client: Client) -> None:
    answer = await client.post("/2281/email", {**EMAIL, "emailAddress": " "})
    assert sorted(v["message"] for v in answer.json["violations"]) == [
        "must be a well-formed email address",
        "must not be blank",
    ]


async def test_a_body_over_the_limit_is_refused_while_it_is_read(client: Client) -> None:
    sent = 0

    async def endless() -> object:
        nonlocal sent
        while sent < 64 * 1024 * 1024:
            sent += 65536
            yield b" " * 65536

    answer = None
    try:
        async with client._session.post(
            client.running.api_url + "/2281/sms",
            data=endless(),
            headers={"Content-Type": "application/json", **client.bearer},
        ) as found:
            answer = found.status
    except OSError:
        pass  # the service closed the connection while we were still sending
    assert answer in (413, None)
    assert sent < 32 * 1024 * 1024


async def test_only_json_is_taken(client: Client) -> None:
    answer = await client.post("/2281/sms", "a=b", Content_Type="application/x-www-form-urlencoded")
    assert answer.status == 415
    assert (await client.get("/2281/sms")).status == 405
    assert (await client.post("/2281/pigeon", {})).status == 404


async def test_the_callers_are_kept(client: Client, database: object) -> None:
    await client.post(
        "/2281/sms?async=true", SMS, x_origin="Skolappen", X_Sent_By="type=adAccount; joe01doe"
    )
    await client.post("/2281/sms?async=true", SMS, X_Sent_By="nonsense", x_issuer="jane02doe")
    rows = await database.pool.fetch("SELECT origin, issuer FROM batches ORDER BY id")  # type: ignore[attr-defined]
    assert [tuple(row) for row in rows] == [("Skolappen", "joe01doe"), (None, "jane02doe")]


async def test_nothing_is_replaced_in_a_text(client: Client) -> None:
    for text in ("Sámi áčđŋšŧž", "rad ett\nrad två", "emoji 🏫 och €", "^{}[]~|\\"):
        number = "+46701740699"
        answer = await client.post("/2281/sms", {"mobileNumber": number, "message": text})
        assert answer.json["deliveries"][0]["status"] == "SENT"
        assert (await client.received("sms", number))[-1]["text"] == text


async def test_a_typographic_character_that_costs_is_pointed_out(client: Client) -> None:
    answer = await client.post(
        "/2281/sms?async=true", {**SMS, "message": "Skolan’s stängd " + "a" * 120}
    )
    assert answer.json["sms"]["encoding"] == "UCS-2"
    assert "U+2019" in answer.json["sms"]["notice"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_a_number_that_json_does_not_have_is_no_text(client: Client, number: str) -> None:
    answer = await client.post(
        "/2281/sms", f'{{"mobileNumber": "+46701740605", "message": {number}}}'
    )
    assert answer.status == 400
    assert answer.json["detail"] == "Failed to read request"
    assert (
        await client.post("/2281/sms", {**SMS, "message": f"Det var {number} i fältet."})
    ).status == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "digital-invoice",
            {
                "party": {"partyId": str(uuid4())},
                "type": "INVOICE",
                "details": {
                    "amount": 100,
                    "dueDate": "2035-01-31",
                    "paymentReferenceType": "SE_OCR",
                    "paymentReference": "12345674",
                    "accountType": "BANKGIRO",
                    "accountNumber": "5050-1055",
                },
                "files": [
                    {
                        "contentType": "application/pdf",
                        "content": encoded("Faktura"),
                        "filename": "f.pdf",
                    }
                ],
            },
        ),
        (
            "2120002411/digital-mail",
            {"party": {"partyIds": [str(uuid4())]}, "contentType": "text/plain", "body": "Hej"},
        ),
        (
            "webmessage",
            {
                "party": {
                    "partyId": str(uuid4()),
                    "externalReferences": [{"key": "flowInstanceId", "value": "356"}],
                },
                "message": "Hej",
                "sendAsOwner": True,
            },
        ),
    ],
)
async def test_a_party_that_nobody_knows_is_a_404(client: Client, path: str, body: Any) -> None:
    answer = await client.post(f"/2281/{path}", body)
    assert (answer.status, answer.json["title"]) == (404, "Not Found"), answer.text
    assert answer.json["deliveryId"]
