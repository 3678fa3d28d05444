"""Everything that is known of a person: as JSON, with files where they are asked for, and as a PDF
that people can read."""

from __future__ import annotations

import io
from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import aiohttp
import pikepdf
import pypdfium2
import pytest

from tests.http.conftest import Client
from tests.http.history.test_conversations import filled
from tests.http.pdf import letter as pdf
from tests.http.people_in_full import FILE, MAIL, PHONE, STREET, SUBJECT, TEXT, known_in_full
from tests.store.histories import Histories, Told
from utskick.domain.clock import utc_now
from utskick.domain.errors import ExtractTooLong
from utskick.domain.inbound import InboundPart
from utskick.domain.month import month_of, written
from utskick.http.privacy.extract_pages import MOST_MESSAGES, Pages, Printer
from utskick.store.database import Database
from utskick.store.messages.inbound import InboundPlace, InboundRows


async def fetched(client: Client, path: str, **headers: str) -> tuple[int, Any, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(client.running.api_url + path, headers={**client.bearer, **headers}) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


def read(data: bytes) -> tuple[list[str], str]:
    """The text of each page, and of all of them as one line without breaks."""
    document = pypdfium2.PdfDocument(data)
    pages = [document[n].get_textpage().get_text_bounded() for n in range(len(document))]
    return pages, " ".join(" ".join(pages).replace("\ufffe", "").split())


async def test_everything_that_is_known_is_told(client: Client) -> None:
    person = await known_in_full(client)
    await client.call("PUT", "/2281/configuration/retention/SMS", {"days": 30, "decision": "KS 1"})
    await client.post(
        "/2281/holds", {"kind": "message", "id": person.messages["email"], "reason": "tillsyn"}
    )
    found = (await client.get(f"/2281/parties/{person.party}/extract")).json
    assert (found["partyId"], found["municipalityId"]) == (person.party, "2281")
    assert (found["party"]["legalId"], found["party"]["address"]["address"]) == (
        person.number,
        f"{STREET} 17",
    )
    settings = found["contactSettings"]
    assert [s["contactChannels"][0]["destination"] for s in settings] == [PHONE, MAIL]
    assert [d["agentId"] for d in found["delegates"]] == [person.agent]
    assert (len(found["devices"]), [h["reason"] for h in found["holds"]]) == (1, ["tillsyn"])
    assert [rule["messageType"] for rule in found["retention"]] == ["SMS"]
    told = {message["messageId"]: message for message in found["messages"]}
    assert told.keys() == set(person.messages.values())
    sms, email, letter = (told[person.messages[name]] for name in ("sms", "email", "letter"))
    assert (sms["issuer"], sms["origin"], sms["reference"]) == (
        "anna01",
        "CASEDATA",
        f"ref {STREET}",
    )
    assert (sms["retention"]["days"], sms["retention"]["decision"]) == (30, "KS 1")
    assert sms["retention"]["until"] > sms["timestamp"]
    [delivery] = sms["deliveries"]
    assert (
        delivery["content"]["message"],
        delivery["content"]["mobileNumber"],
        delivery["status"],
    ) == (TEXT, PHONE, "SENT")
    assert [event["status"] for event in delivery["events"]][:3] == ["queued", "sending", "sent"]
    [file] = email["files"]
    assert file == {
        "name": FILE,
        "contentType": "text/plain",
        "size": len(pdf(TEXT)),
        "sha256": sha256(pdf(TEXT)).hexdigest(),
    }
    assert all(
        "content" not in a
        for m in found["messages"]
        for d in m["deliveries"]
        for a in d["content"].get("attachments", ())
    )
    assert [d["messageType"] for d in letter["deliveries"]] == ["DIGITAL_MAIL", "SNAIL_MAIL"]
    assert [f["name"] for f in letter["files"]] == ["beslut.pdf"]
    assert (await client.get(f"/2260/parties/{person.party}/extract")).status == 404
    assert (await client.get(f"/2281/parties/{uuid4()}/extract")).status == 404


async def test_files_come_with_it_where_they_are_asked_for(
    client: Client, database: Database
) -> None:
    histories, party = Histories(database), uuid4()
    texts = [
        f"{n} {'x' * (n * 65_537)}" for n in range(6)
    ]  # not by thirds, and over the edges of what is read at a time
    for text in texts:
        await histories.batch(Told(party=party, file=text))
    found = (await client.get(f"/2281/parties/{party}/extract?files=true")).json
    assert sorted(
        b64decode(m["files"][0]["content"]).decode() for m in found["messages"]
    ) == sorted(texts)
    assert all(
        sha256(b64decode(f["content"])).hexdigest() == f["sha256"]
        for m in found["messages"]
        for f in m["files"]
    )


async def test_what_was_said_in_a_destroyed_month_is_told_as_erased(
    client: Client, database: Database
) -> None:
    histories, party = Histories(database), uuid4()
    histories.month = month_of(datetime(2011, 3, 1, tzinfo=UTC))
    await histories.batch(Told(party=party, file="hemlig text"))
    async with database.transaction() as connection:
        assert await database.vault.rows.destroy(connection, ("2281", written(histories.month)))
    [message] = (await client.get(f"/2281/parties/{party}/extract?files=true")).json["messages"]
    assert message["deliveries"][0]["content"] == {"erased": True}
    assert message["files"] == []
    assert (await fetched(client, f"/2281/parties/{party}/extract?format=pdf"))[0] == 200


async def test_what_came_from_the_persons_numbers_is_told(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utskick.store.history.inbound._STRIDE", 2)
    party, rows = str(uuid4()), InboundRows(database)
    place = InboundPlace("2281", "SMS", "smpp")

    async def replies(text: str, sender: str = PHONE, **more: Any) -> None:
        where, at = more.pop("place", place), more.pop("at", utc_now())
        await rows.keep(where, InboundPart(sender, "71456", text, **more), at)

    sms = {"mobileNumber": PHONE, "message": "Hej", "party": {"partyId": party}}
    assert (await client.post("/2281/sms", sms)).status == 201
    assert (await client.post("/2260/sms", sms)).status == 201
    await client.call("PUT", "/2281/configuration/retention/SMS", {"days": 30, "decision": "KS 1"})
    await replies("glömt", at=datetime(2009, 3, 1, tzinfo=UTC))
    async with database.transaction() as connection:
        month = written(month_of(datetime(2009, 3, 1, tzinfo=UTC)))
        assert await database.vault.rows.destroy(connection, ("2281", month))
    for text in ("Hemligt ett", "Hemligt två", "Hemligt tre", "stopp"):
        await replies(text)
    await replies("någon annans", "+46701740699")
    await replies("en annan kommuns", place=InboundPlace("2260", "SMS", "smpp"))
    found = (await client.get(f"/2281/parties/{party}/extract")).json
    told = found["inboundMessages"]
    assert [m.get("text") for m in told] == [
        "stopp",
        "Hemligt tre",
        "Hemligt två",
        "Hemligt ett",
        None,
    ]
    assert (told[0]["stop"], told[0]["sender"], told[0]["recipient"]) == (True, PHONE, "71456")
    assert (told[0]["messageType"], told[0]["retention"]["decision"]) == ("SMS", "KS 1")
    assert told[0]["retention"]["until"][:19] > told[0]["receivedAt"][:19]
    assert ("sender" in told[4], told[4]["erased"]) == (False, True)
    [theirs] = (await client.get(f"/2260/parties/{party}/extract")).json["inboundMessages"]
    assert theirs["text"] == "en annan kommuns"
    _, _, data = await fetched(client, f"/2281/parties/{party}/extract?format=pdf")
    _, text = read(data)
    for said in ("Inkomna meddelanden", "Hemligt två", "71456", "Innehållet är raderat", "KS 1"):
        assert said in text, said
    assert "någon annans" not in text
    sent = {"mobileNumber": "+46701740698", "message": "Hej", "party": {"partyId": str(uuid4())}}
    assert (await client.post("/2281/sms", sent)).status == 201
    other = await client.get(f"/2281/parties/{sent['party']['partyId']}/extract")
    assert other.json["inboundMessages"] == []


async def test_a_protected_persons_own_address_is_told(client: Client) -> None:
    party = uuid4()
    body = {
        "legalId": "2120002411",
        "address": {"address": "Hemliga gatan 1", "city": "Ort"},
        "protected": True,
    }
    await client.call("PUT", f"/2281/parties/{party}", body)
    assert (await client.get(f"/2281/parties/{party}/extract")).json["party"] == {
        "type": "ENTERPRISE",
        "legalId": "2120002411",
        "names": {},
        "address": body["address"],
        "protected": True,
    }


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        ("?format=pdf", "*/*"),
        ("", "application/pdf"),
        ("", "application/pdf, application/json;q=0.5"),
    ],
)
async def test_the_pdf_can_be_read_by_people(client: Client, query: str, accept: str) -> None:
    person = await known_in_full(client)
    status, headers, data = await fetched(
        client, f"/2281/parties/{person.party}/extract{query}", Accept=accept
    )
    assert (status, headers["Content-Type"]) == (200, "application/pdf")
    pages, text = read(data)
    for said in (
        "Registerutdrag",
        "Innehåll",
        "Kommun 2281",
        person.number,
        PHONE,
        MAIL,
        STREET,
        TEXT,
        FILE,
        SUBJECT,
        "anna01",
        "Uppgifter i katalogen",
        "Ombud",
        "Gallringsregler",
        "(7 meddelanden)",
        "Skickat",
    ):
        assert said in text, said
    assert [f"Sida {n} av {len(pages)}" in page for n, page in enumerate(pages, 1)] == [True] * len(
        pages
    )
    with pikepdf.open(io.BytesIO(data)) as document:
        assert document.docinfo["/Title"] == "Registerutdrag"
        with document.open_metadata() as metadata:
            assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("2", "B")
        assert document.open_outline is not None


async def test_json_is_the_default_and_wins_where_both_are_wanted(client: Client) -> None:
    party = uuid4()
    await client.call("PUT", f"/2281/parties/{party}", {"legalId": "2120002411"})
    for query, accept in (
        ("", "*/*"),
        ("", "application/json, application/pdf"),
        ("?format=json", "application/pdf"),
    ):
        _, headers, _ = await fetched(
            client, f"/2281/parties/{party}/extract{query}", Accept=accept
        )
        assert headers["Content-Type"] == "application/json"
    answer = await client.get(f"/2281/parties/{party}/extract?format=docx")
    assert (answer.status, answer.json["detail"]) == (
        400,
        "Failed to convert 'format' with value: 'docx'",
    )


async def test_odd_characters_markup_and_long_words_are_set_as_they_are(client: Client) -> None:
    party = uuid4()
    text = "#panic() $x$ *inte fet* \\ @ref <lbl> 😀 שלום مرحبا " + "o" * 300
    sent = await client.post(
        "/2281/email",
        {
            "emailAddress": MAIL,
            "subject": "[#x] _s_",
            "message": text,
            "party": {"partyId": str(party)},
        },
    )
    assert sent.status == 201, sent.text
    _, headers, data = await fetched(client, f"/2281/parties/{party}/extract?format=pdf")
    assert headers["Content-Type"] == "application/pdf"
    _, found = read(data)
    assert "#panic() $x$ *inte fet* \\ @ref <lbl> [U+1F600]" in found
    assert "[#x] _s_" in found
    assert found.replace(" ", "").replace("\u200b", "").count("o" * 40) >= 1


async def test_a_history_too_long_for_a_pdf_is_refused_and_told_as_json(
    client: Client, database: Database
) -> None:
    party = str(uuid4())
    await filled(database, party, 3_000)
    answer = await client.get(f"/2281/parties/{party}/extract?format=pdf")
    assert (answer.status, answer.json["code"]) == (422, "extract-too-long")
    assert "format=json" in answer.json["detail"]
    assert f"3000 messages, more than {MOST_MESSAGES}" in answer.json["detail"]
    found = (await client.get(f"/2281/parties/{party}/extract")).json
    assert len({message["messageId"] for message in found["messages"]}) == 3_000


def test_very_long_texts_are_refused_before_they_are_set() -> None:
    pages = Printer({}).begin({"messageCount": 3, "inboundCount": 0})
    message = {
        "messageId": "x",
        "timestamp": utc_now().isoformat(),
        "messageType": "EMAIL",
        "files": [],
        "deliveries": [
            {
                "messageType": "EMAIL",
                "status": "SENT",
                "attempts": 1,
                "content": {"message": "x" * 450_000},
                "events": [],
            }
        ],
    }
    pages.add(message)
    pages.add(message)
    with pytest.raises(ExtractTooLong, match="1 000 000 characters"):
        pages.add(message)
    assert isinstance(pages, Pages)


def test_inbound_messages_count_for_the_length_of_a_pdf() -> None:
    with pytest.raises(ExtractTooLong, match="1001 messages, more than 1000"):
        Printer({}).begin({"messageCount": 1, "inboundCount": 1_000})
    pages = Printer({}).begin({"messageCount": 0, "inboundCount": 3})
    reply = {"receivedAt": utc_now().isoformat(), "recipient": "71456", "missingParts": 0}
    for _ in range(2):
        pages.add_inbound({**reply, "text": "x" * 450_000})
    with pytest.raises(ExtractTooLong, match="1 000 000 characters"):
        pages.add_inbound({**reply, "text": "x" * 450_000})
