"""POST /{organizationNumber}/digital-mail and /mailboxes, through the whole service to the
simulated operators."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from uuid import uuid4

from tests.http.conftest import Client
from tests.http.pdf import encoded
from utskick.sandbox.digital_mail.citizens import number

PDF = encoded()
ORGANIZATION = "2120002411"


async def citizen(client: Client, legal_id: str) -> str:
    """The party id of a person with this number."""
    party = str(uuid4())
    made = await client.call("PUT", f"/2281/parties/{party}", {"legalId": legal_id})
    assert made.status in (200, 201, 204), made.text
    return party


def mail(*parties: str, **more: Any) -> dict[str, Any]:
    said = {"contentType": "text/plain", "body": "Din ansökan är beviljad.", "subject": "Beslut"}
    files = [{"contentType": "application/pdf", "content": PDF, "filename": "beslut.pdf"}]
    return {"party": {"partyIds": list(parties)}, **said, "attachments": files, **more}


async def test_a_digital_mail_lies_in_the_citizens_mailbox(client: Client) -> None:
    one = number(1)
    party = await citizen(client, one)
    answer = await client.post(f"/2281/{ORGANIZATION}/digital-mail", mail(party))
    assert answer.status == 201, answer.text
    [message] = answer.json["messages"]
    [delivery] = message["deliveries"]
    assert (delivery["messageType"], delivery["status"]) == ("DIGITAL_MAIL", "SENT")
    [received] = await client.received("digital_mail", one)
    assert (received["subject"], received["text"], received["key"]) == (
        "Beslut",
        "Din ansökan är beviljad.",
        delivery["deliveryId"],
    )
    [said] = (await client.get(f"/2281/conversation-history/{party}")).json
    assert said["content"]["attachments"] == [
        {"filename": "beslut.pdf", "contentType": "application/pdf", "content": PDF}
    ]
    assert one not in str(said)


async def test_each_of_several_is_told_of(client: Client) -> None:
    """Contract Q5: one without a mailbox takes nobody with it."""
    parties = [
        await citizen(client, number(2)),
        await citizen(client, number(3, "10")),
        str(uuid4()),
    ]
    answer = await client.post(f"/2281/{ORGANIZATION}/digital-mail", mail(*parties))
    assert answer.status == 201, answer.text
    told = [m["deliveries"][0] for m in answer.json["messages"]]
    assert [d["status"] for d in told] == ["SENT", "FAILED", "FAILED"]
    assert [d.get("reason", {}).get("code") for d in told] == [None, "no-mailbox", "no-legal-id"]


async def test_one_without_a_mailbox_is_a_404_with_the_ids(client: Client) -> None:
    """Contract Q28; and the deprecated form, whose organisation stands in the settings."""
    answer = await client.post("/2281/digital-mail", mail(await citizen(client, number(4, "10"))))
    assert answer.status == 404
    assert {"batchId", "messageId", "deliveryId"} <= answer.json.keys()
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_mailboxes_are_told_in_the_order_of_the_question(client: Client) -> None:
    parties = [
        await citizen(client, number(5)),
        await citizen(client, number(6, "10")),
        str(uuid4()),
    ]
    answer = await client.post(f"/2281/{ORGANIZATION}/mailboxes", parties)
    assert answer.status == 200, answer.text
    assert [(m["partyId"], m["reachable"]) for m in answer.json] == list(
        zip(parties, (True, False, False), strict=True)
    )
    assert answer.json[0]["supplier"] == "Kivra"
    answer = await client.post(f"/2281/{ORGANIZATION}/mailboxes", [])
    assert answer.json["violations"] == [
        {"field": "getMailboxes.partyIds", "message": "must not be empty"}
    ]


async def test_an_organisation_that_may_not_send_is_refused(client: Client) -> None:
    answer = await client.post("/2281/5560360793/digital-mail", mail(str(uuid4())))
    assert answer.status == 400
    assert answer.json["violations"][0]["field"] == "sendDigitalMail.organizationNumber"
    answer = await client.post("/2281/211/digital-mail", mail(str(uuid4())))
    rule = r"must match the regular expression ^([1235789][\d][2-9]\d{7})$"
    assert answer.json["violations"] == [
        {"field": "sendDigitalMail.organizationNumber", "message": rule}
    ]


async def test_what_is_no_html_and_no_pdf_is_refused_with_its_place(client: Client) -> None:
    bad = mail(
        str(uuid4()),
        contentType="text/html",
        body=b64encode(b"<p>Hej<script>x()</script>").decode(),
    )
    bad["attachments"][0]["content"] = b64encode(b"MZ").decode()
    answer = await client.post(f"/2281/{ORGANIZATION}/digital-mail", bad)
    assert answer.status == 400
    fields = {v["field"] for v in answer.json["violations"]}
    assert "attachments[0].content" in fields
    assert "body" in fields


async def test_the_contact_text_may_have_several_lines(client: Client) -> None:
    one = number(7, "61")
    text = "Kontaktcenter\r\nVardagar 8–17"
    sender = {"supportInfo": {"text": text, "url": "https://example.se"}}
    answer = await client.post(
        f"/2281/{ORGANIZATION}/digital-mail", mail(await citizen(client, one), sender=sender)
    )
    assert answer.status == 201, answer.text
    await client.until(
        f"/2281/status/batch/{answer.json['batchId']}",
        lambda b: b["messages"][0]["deliveries"][0]["status"] == "SENT",
    )
    bad = {"supportInfo": {"text": "Kontakt\tcenter"}}
    answer = await client.post(f"/2281/{ORGANIZATION}/digital-mail", mail(str(uuid4()), sender=bad))
    assert answer.status == 400
    assert "other than line breaks" in answer.text
