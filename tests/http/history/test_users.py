"""What a user has had sent: batches and messages, page by page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.http.conftest import Client
from tests.http.messages.test_letter import ADDRESS, attachment, citizen, letter
from tests.http.messages.test_messages import message, settle_on
from utskick.domain.clock import SWEDEN
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database

SMS = {"mobileNumber": "+46701740605", "message": "Hej"}
JOE = {"X_Sent_By": "joe01doe; type=adAccount", "x_origin": "CASEDATA"}
EMPTY = {"page": 1, "limit": 15, "count": 0, "totalRecords": 0, "totalPages": 0}


async def sent(client: Client, path: str, body: Any, **headers: str) -> Any:
    answer = await client.post(f"/2281/{path}", body, **(headers or JOE))
    assert answer.status == 201, answer.text
    return answer.json


async def test_a_users_batches_newest_first_with_what_became_of_them(client: Client) -> None:
    digital, homeless = (
        await citizen(client, number(11)),
        await citizen(client, number(13, "10"), at_home=False),
    )
    await sent(client, "sms", SMS)
    await sent(
        client, "email", {"emailAddress": "a@example.se", "subject": "Kallelse", "message": "m"}
    )
    made = await sent(
        client,
        "letter",
        letter(digital, homeless, attachments=[attachment(), attachment(name="b.pdf")]),
    )
    await sent(client, "sms", SMS, X_Sent_By="somebody; type=adAccount")
    found = (await client.get("/2281/users/joe01doe/batches")).json
    assert found["_meta"] == {**EMPTY, "count": 3, "totalRecords": 3, "totalPages": 1}
    batch = found["batches"][0]
    assert datetime.now(SWEDEN).replace(tzinfo=None) - datetime.fromisoformat(
        batch.pop("sent")
    ) < timedelta(minutes=1)
    assert batch == {
        "batchId": made["batchId"],
        "messageType": "LETTER",
        "subject": "Beslut",
        "attachmentCount": 2,
        "recipientCount": 2,
        "status": {"successful": 1, "unsuccessful": 1, "pending": 0},
    }
    assert [
        (b["messageType"], b.get("subject"), b["attachmentCount"]) for b in found["batches"][1:]
    ] == [("EMAIL", "Kallelse", 0), ("SMS", None, 0)]
    assert (await client.get("/2260/users/joe01doe/batches")).json == {
        "batches": [],
        "_meta": EMPTY,
    }


async def test_pages_end_where_they_end_and_keep_their_totals(client: Client) -> None:
    await sent(
        client,
        "sms/batch",
        {"message": "Hej", "parties": [{"mobileNumber": f"+4670174060{n}"} for n in range(7)]},
    )
    seen: list[str] = []
    for page, count in ((1, 3), (2, 3), (3, 1), (4, 0), (2_147_483_647, 0)):
        found = (await client.get(f"/2281/users/joe01doe/messages?page={page}&limit=3")).json
        assert found["_meta"] == {
            "page": page,
            "limit": 3,
            "count": count,
            "totalRecords": 7,
            "totalPages": 3,
        }
        assert len(found["messages"]) == count
        seen += [m["messageId"] for m in found["messages"]]
    assert len(set(seen)) == 7
    assert (await client.get("/2281/users/joe01doe/batches?page=2")).json == {
        "batches": [],
        "_meta": {**EMPTY, "page": 2, "totalRecords": 1, "totalPages": 1},
    }
    assert (
        len((await client.get("/2281/users/joe01doe/messages?limit=2147483647")).json["messages"])
        == 7
    )
    assert (await client.get("/2281/users/nobody/messages")).json == {
        "messages": [],
        "_meta": EMPTY,
    }


async def test_a_users_message_tells_what_the_peer_told(client: Client) -> None:
    party = await citizen(client, number(12, "10"))
    body = {
        "emailAddress": "a@example.se",
        "subject": "Kallelse",
        "message": "Kom hit",
        "party": {"partyId": party},
        "reference": "7",
    }
    made = await sent(client, "email", body)
    [told] = (await client.get(f"/2281/users/joe01doe/messages?batchId={made['batchId']}")).json[
        "messages"
    ]
    assert told == (await client.get(f"/2281/users/joe01doe/messages/{made['messageId']}")).json
    told.pop("sent")
    assert told == {
        "messageId": made["messageId"],
        "batchId": made["batchId"],
        "issuer": "joe01doe",
        "origin": "CASEDATA",
        "subject": "Kallelse",
        "body": "Kom hit",
        "reference": "7",
        "attachments": [],
        "recipients": [{"status": "SENT", "messageType": "EMAIL", "personId": number(12, "10")}],
    }


async def test_a_digital_letter_that_came_on_paper_is_told_once(client: Client) -> None:
    party = await citizen(client, number(12, "10"))
    made = await sent(client, "letter", letter(party))
    message_id = made["messages"][0]["messageId"]
    told = (await client.get(f"/2281/users/joe01doe/messages/{message_id}")).json
    assert told["attachments"] == [{"fileName": "beslut.pdf", "contentType": "application/pdf"}]
    assert told["subject"] == "Beslut"
    assert "body" not in told, "a letter's text is not shown, as the peer does not"
    address = {
        "firstName": "Anna",
        "lastName": "Öberg",
        "address": "Storgatan 2",
        "zipCode": "85230",
        "city": "Sundsvall",
    }
    assert told["recipients"] == [
        {
            "status": "SENT",
            "messageType": "SNAIL_MAIL",
            "address": address,
            "personId": number(12, "10"),
        }
    ]


async def test_all_ways_of_a_message_are_its_recipients(client: Client) -> None:
    party = await settle_on(
        client, ("SMS", "+46701740605", False), ("EMAIL", "anna@example.se", False)
    )
    made = await sent(client, "messages", {"messages": [message(party)]})
    [told] = (await client.get(f"/2281/users/joe01doe/messages?batchId={made['batchId']}")).json[
        "messages"
    ]
    assert sorted((r["messageType"], r.get("mobileNumber")) for r in told["recipients"]) == [
        ("EMAIL", None),
        ("SMS", "+46701740605"),
    ]


async def test_what_is_older_than_thirty_days_is_only_told_by_its_id(
    client: Client, database: Database
) -> None:
    made = await sent(client, "sms", SMS)
    for days, listed in ((29, 1), (31, 0)):
        moment = datetime.now(SWEDEN) - timedelta(days=days)
        await database.pool.execute("UPDATE messages SET at = $1", moment)
        await database.pool.execute("UPDATE batches SET created_at = $1", moment)
        for what in ("batches", "messages"):
            assert (await client.get(f"/2281/users/joe01doe/{what}")).json["_meta"][
                "totalRecords"
            ] == listed
    assert (await client.get(f"/2281/users/joe01doe/messages/{made['messageId']}")).status == 200


async def test_nobodys_and_the_printing_houses_batches_are_no_users(client: Client) -> None:
    await sent(
        client,
        f"snail-mail?batchId={uuid4()}",
        {"department": "SBK", "address": ADDRESS, "attachments": [attachment()]},
    )
    [batch] = (await client.get("/2281/users/joe01doe/batches")).json["batches"]
    assert (batch["messageType"], batch["attachmentCount"], batch["status"]) == (
        "SNAIL_MAIL",
        1,
        {"successful": 0, "unsuccessful": 0, "pending": 1},
    )
    await client.post(f"/2281/snail-mail/batch/{batch['batchId']}")
    path = "/2281/users/joe01doe/batches"
    [batch] = (await client.until(path, lambda b: b["batches"][0]["status"]["successful"] == 1))[
        "batches"
    ]
    assert batch["messageType"] == "SNAIL_MAIL"
    assert (await client.get("/2281/users/joe01doe/messages")).json["_meta"]["totalRecords"] == 1


async def test_unknown_messages_and_users_are_a_404_with_a_problem(client: Client) -> None:
    made, other = await sent(client, "sms", SMS), uuid4()
    for user, message_id in (("joe01doe", other), ("somebody", made["messageId"])):
        answer = await client.get(f"/2281/users/{user}/messages/{message_id}")
        assert (answer.status, answer.json["detail"]) == (
            404,
            f"No message found for message id {message_id} and user id {user}",
        )


RANGE = "must be greater than or equal to 1 and less than or equal to 2147483647"


@pytest.mark.parametrize(
    ("path", "violations"),
    [
        (
            "batches?page=0&limit=-1",
            {("getUserBatches.page", RANGE), ("getUserBatches.limit", RANGE)},
        ),
        (
            "messages?page=0&batchId=x",
            {("getUserMessages.page", RANGE), ("getUserMessages.batchId", "not a valid UUID")},
        ),
        ("messages/x", {("getUserMessage.messageId", "not a valid UUID")}),
    ],
)
async def test_broken_rules_are_reported_together(
    client: Client, path: str, violations: set[tuple[str, str]]
) -> None:
    answer = await client.get(f"/2281/users/joe01doe/{path}")
    assert answer.status == 400
    assert {(v["field"], v["message"]) for v in answer.json["violations"]} == violations


@pytest.mark.parametrize(
    "query", ["page=abc", "limit=2147483648", "page=1.5", "limit=99999999999999999999"]
)
async def test_what_is_no_number_cannot_be_converted(client: Client, query: str) -> None:
    name, _, value = query.partition("=")
    answer = await client.get(f"/2281/users/joe01doe/batches?{query}")
    assert (answer.status, answer.json["detail"]) == (
        400,
        f"Failed to convert '{name}' with value: '{value}'",
    )
    assert "violations" not in answer.json
