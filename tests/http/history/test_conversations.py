"""What was said: a message with everything, its files, and a person with very much."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp.multipart import content_disposition_filename, parse_content_disposition
from hypothesis import given
from hypothesis import strategies as st

from tests.http.conftest import Client
from tests.http.messages.test_letter import ADDRESS, attachment, citizen, letter
from tests.http.pdf import letter as pdf
from utskick.domain.ids import new_id
from utskick.domain.month import month_of
from utskick.http.wire.files import disposition, type_of
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.crypto.columns import Column
from utskick.store.database import Database

EMAIL = {"emailAddress": "anna@example.se", "subject": "Kallelse", "message": "Se bilagan."}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def enclosed(name: str, data: bytes, content_type: str | None = None) -> dict[str, Any]:
    kind = {"contentType": content_type} if content_type else {}
    return {"name": name, "content": b64encode(data).decode(), **kind}


async def fetched(client: Client, path: str) -> tuple[int, Any, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(client.running.api_url + path, headers=client.bearer) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def test_a_message_is_told_with_its_files_and_its_metadata_without(client: Client) -> None:
    data = pdf("Kallelse")
    sent = (
        await client.post(
            "/2281/email",
            {**EMAIL, "attachments": [enclosed("kallelse.pdf", data, "application/pdf")]},
        )
    ).json
    [told] = (await client.get(f"/2281/messages/{sent['messageId']}")).json
    assert (told["messageType"], told["status"]) == ("EMAIL", "SENT")
    file = {"name": "kallelse.pdf", "contentType": "application/pdf"}
    assert told["content"]["attachments"] == [{**file, "content": b64encode(data).decode()}]
    [metadata] = (await client.get(f"/2281/messages/{sent['messageId']}/metadata")).json
    assert metadata == {**told, "content": {**told["content"], "attachments": [file]}}


async def test_a_letter_that_fell_back_is_told_leg_by_leg_and_all_its_files_can_be_had(
    client: Client,
) -> None:
    party = await citizen(client, number(12, "10"))
    files = [
        attachment("DIGITAL_MAIL", "digital.pdf", "d"),
        attachment("SNAIL_MAIL", "papper.pdf", "p"),
        attachment("ANY", "båda.pdf", "b"),
    ]
    answer = await client.post("/2281/letter", letter(party, attachments=files))
    message_id = answer.json["messages"][0]["messageId"]
    told = (await client.get(f"/2281/messages/{message_id}")).json
    assert [t["messageType"] for t in told] == ["DIGITAL_MAIL", "SNAIL_MAIL"]
    assert [[a["filename"] for a in t["content"]["attachments"]] for t in told] == [
        ["digital.pdf", "båda.pdf"],
        ["papper.pdf", "båda.pdf"],
    ]
    assert all(
        a["content"] and "digest" not in a for t in told for a in t["content"]["attachments"]
    )
    assert told[1]["content"]["address"] == {
        "firstName": "Anna",
        "lastName": "Öberg",
        "address": "Storgatan 2",
        "zipCode": "85230",
        "city": "Sundsvall",
    }
    for name, text in (("digital.pdf", "d"), ("papper.pdf", "p"), ("båda.pdf", "b")):
        status, headers, body = await fetched(
            client, f"/2281/messages/{message_id}/attachments?fileName={quote(name)}"
        )
        assert (status, headers["Content-Type"], body) == (200, "application/pdf", pdf(text))


CASE = {"partyId": str(uuid4()), "externalReferences": [{"key": "flowInstanceId", "value": "1"}]}
FILED: list[tuple[str, dict[str, Any], str, dict[str, str], bytes]] = [
    (
        "webmessage",
        {"party": CASE, "message": "m"},
        "bild.png",
        {"fileName": "bild.png", "mimeType": "image/png"},
        PNG,
    ),
    ("email", EMAIL, "bild.png", {"name": "bild.png"}, PNG),
    (
        f"snail-mail?batchId={uuid4()}",
        {"department": "SBK", "address": ADDRESS},
        "brev.pdf",
        {"filename": "brev.pdf"},
        pdf("x"),
    ),
]


@pytest.mark.parametrize(
    ("path", "body", "name", "file", "data"),
    FILED,
    ids=[path.partition("?")[0] for path, *_ in FILED],
)
async def test_every_channels_files_can_be_had_with_their_type(
    client: Client, path: str, body: dict[str, Any], name: str, file: dict[str, str], data: bytes
) -> None:
    member = "base64Data" if path == "webmessage" else "content"
    answer = await client.post(
        f"/2281/{path}", {**body, "attachments": [{**file, member: b64encode(data).decode()}]}
    )
    assert answer.status == 201, answer.text
    for where in (f"attachments?fileName={name}", f"attachments/{name}"):
        status, headers, got = await fetched(
            client, f"/2281/messages/{answer.json['messageId']}/{where}"
        )
        assert (status, got) == (200, data)
        assert headers["Content-Type"] == (
            "image/png" if name.endswith("png") else "application/pdf"
        )
        assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert headers["Content-Length"] == str(len(data))
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        "a\"b'.txt",
        "räksmörgås åäö.txt",
        "mapp/under\\fil.txt",
        "å" * 251 + ".txt",
        "100 %; a=b.txt",
        "€ 𐍈.txt",
        "..",
        "a?b#c.txt",
    ],
)
async def test_files_with_odd_names_come_back_by_them(client: Client, name: str) -> None:
    answer = await client.post(
        "/2281/email", {**EMAIL, "attachments": [enclosed(name, b"innehallet", "text/plain")]}
    )
    assert answer.status == 201, answer.text
    base = f"/2281/messages/{answer.json['messageId']}/attachments"
    status, headers, body = await fetched(client, f"{base}?fileName={quote(name, safe='')}")
    assert (status, body) == (200, b"innehallet")
    assert _file_name(headers["Content-Disposition"]) == name.replace("/", "_").replace("\\", "_")
    if name != "..":
        status, _, body = await fetched(client, f"{base}/{quote(name, safe='')}")
        assert (status, body) == (200, b"innehallet")


def _file_name(header: str) -> str | None:
    """As a client reads it that knows RFC 6266."""
    return content_disposition_filename(parse_content_disposition(header)[1])


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=255))
def test_no_name_breaks_out_of_its_header_or_leads_into_a_folder(name: str) -> None:
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    found = _file_name(header)
    assert found == "".join("_" if ord(ch) < 32 or ch in "/\\\x7f" else ch for ch in name)


def test_a_type_that_is_missing_or_no_type_is_found_out() -> None:
    assert type_of(None, pdf("x")[:4096]) == "application/pdf"
    assert type_of("text/plain\r\nX-Evil: 1", PNG) == "image/png"
    assert type_of("", b"bara text") == "application/octet-stream"
    assert type_of(None, b"") == "application/octet-stream"
    assert type_of("text/plain; charset=utf-8", b"x") == "text/plain; charset=utf-8"


async def test_what_is_missing_is_told_in_the_contracts_words(client: Client) -> None:
    sent, nobody = (await client.post("/2281/email", EMAIL)).json["messageId"], uuid4()
    for path, status, said in (
        (f"messages/{nobody}", 404, f"No message found for message id {nobody}"),
        (f"messages/{nobody}/metadata", 404, f"No message found for message id {nobody}"),
        (
            f"messages/{nobody}/attachments?fileName=a",
            404,
            f"No history found for message id {nobody}",
        ),
        (
            f"messages/{sent}/attachments?fileName=a.txt",
            404,
            "Attachment with name a.txt not found",
        ),
        (f"messages/{sent}/attachments", 400, "Required parameter 'fileName' is not present."),
    ):
        answer = await client.get(f"/2281/{path}")
        assert (answer.status, answer.json["detail"]) == (status, said)
    for path, field, said in (
        (
            f"messages/{sent}/attachments?fileName=%20",
            "readAttachmentByRequestParameter.fileName",
            "must not be blank",
        ),
        (f"messages/{sent}/attachments/%20", "readAttachment.fileName", "must not be blank"),
        ("messages/1-1-1-1-1", "getMessage.messageId", "not a valid UUID"),
        ("messages/1-1-1-1-1/metadata", "getMessageMetadata.messageId", "not a valid UUID"),
        (
            "messages/x/attachments?fileName=a",
            "readAttachmentByRequestParameter.messageId",
            "not a valid UUID",
        ),
        ("messages/x/attachments/a", "readAttachment.messageId", "not a valid UUID"),
        (
            f"conversation-history/{nobody}?from=2026-02-02&to=2026-02-01",
            "getConversationHistory.from",
            "must not be after to",
        ),
    ):
        answer = await client.get(f"/2281/{path}")
        assert (answer.status, answer.json["violations"]) == (
            400,
            [{"field": field, "message": said}],
        )


async def test_another_municipality_has_neither_message_nor_file(client: Client) -> None:
    sent = (
        await client.post("/2281/email", {**EMAIL, "attachments": [enclosed("a.txt", b"hemligt")]})
    ).json["messageId"]
    for path in ("", "/metadata", "/attachments?fileName=a.txt", "/attachments/a.txt"):
        assert (await fetched(client, f"/2281/messages/{sent}{path}"))[0] == 200
        status, _, body = await fetched(client, f"/2260/messages/{sent}{path}")
        assert status == 404
        assert b"hemligt" not in body


async def test_a_person_with_a_hundred_thousand_messages_is_read_to_the_end(
    client: Client, database: Database
) -> None:
    party, count = str(uuid4()), 100_000
    first = (
        await client.post(
            "/2281/sms",
            {"mobileNumber": "+46701740605", "message": "den första", "party": {"partyId": party}},
        )
    ).json
    await database.pool.execute(
        "UPDATE messages SET at = '2020-01-01Z' WHERE id = $1", UUID(first["messageId"])
    )
    await filled(database, party, count)
    url = f"{client.running.api_url}/2281/conversation-history/{party}"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=client.bearer) as answer,
    ):
        begin = await answer.content.read(200)
        assert begin.startswith(b"[{")
        whole = begin + await answer.read()
    assert whole.count(b'"deliveryId"') == count + 1
    assert whole.endswith(b"]\n")
    assert whole.rindex("den första".encode()) > whole.rindex(b"nummer"), "newest first"


async def filled(database: Database, party: str, count: int) -> None:
    """So many messages to one party, in batches of a thousand."""
    vault, now = database.vault, datetime.now(UTC)
    await vault.ready("2281", month_of(now))
    key, encrypt = vault.lasting("2281").party(party), vault.of("2281", month_of(now)).encrypt
    batches = [new_id() for _ in range(count // 1000)]
    messages = [(new_id(), batches[i // 1000], i % 1000) for i in range(count)]
    sealed = encrypt(Column.PARTY, party.encode())
    async with database.pool.acquire() as connection:
        content = encrypt(Column.CONTENT, b'{"message":"nummer"}')
        await connection.copy_records_to_table(
            "batches",
            columns=(
                "id",
                "municipality_id",
                "channel",
                "message_type",
                "priority",
                "recipients",
                "content",
                "created_at",
            ),
            records=[(b, "2281", "sms", "SMS", "BULK", 1000, content, now) for b in batches],
        )
        await connection.copy_records_to_table(
            "messages",
            columns=("id", "batch_id", "ordinal", "municipality_id", "party_key", "party", "at"),
            records=[(*m, "2281", key, sealed, now) for m in messages],
        )
        number = encrypt(Column.DESTINATION, b"+46701740605")
        await connection.copy_records_to_table(
            "deliveries",
            columns=(
                "id",
                "municipality_id",
                "batch_id",
                "message_id",
                "channel",
                "message_type",
                "priority",
                "status",
                "destination",
                "awaited",
                "created_at",
                "updated_at",
                "expires_at",
            ),
            records=[
                (new_id(), "2281", b, m, "sms", "SMS", "BULK", "sent", number, False, now, now, now)
                for m, b, _ in messages
            ],
        )
        await connection.execute("ANALYZE messages, deliveries, batches")
