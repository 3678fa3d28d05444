"""Contents are unreadable on disk, readable through the API, and reported as erased when their key
was destroyed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import TABLES as ROWS
from tests.http.conftest import Client, serving
from tests.http.history.test_conversations import enclosed, fetched
from tests.http.messages.test_letter import citizen, letter
from tests.http.pdf import letter as pdf
from tests.http.test_secrets import readable, written
from tests.store.vaults import TABLES, empty
from utskick.domain.clock import utc_now
from utskick.domain.month import month_of
from utskick.domain.month import written as named
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database

TEXT, SUBJECT = "Kanariefågeln sjunger om bygglovet", "Kanariebeslut 4711"
MOBILE, ADDRESS = "+46701749998", "kanarie.fagel@example.se"
HOME = {
    "firstName": "Kanarina",
    "lastName": "Fågelholk",
    "address": "Kanariegränd 77",
    "zipCode": "852 30",
    "city": "Sundsvall",
}
FILE, NAME = pdf("Kanariefågelns bygglov"), "kanarie.pdf"


class Said:
    """Something by every way whose content is kept, to a party that only messages know."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.party = str(uuid4())
        self.messages: list[str] = []

    async def everything(self) -> None:
        party, post = {"partyId": self.party}, self.client.post
        files = [enclosed(NAME, FILE, "application/pdf")]
        to_paper = await citizen(self.client, number(12, "10"))
        enclosures = [
            {
                "deliveryMode": "ANY",
                "contentType": "application/pdf",
                "content": files[0]["content"],
                "filename": NAME,
            }
        ]
        bodies: list[tuple[str, dict[str, Any]]] = [
            ("sms", {"party": party, "mobileNumber": MOBILE, "message": TEXT}),
            (
                "email",
                {
                    "party": party,
                    "emailAddress": ADDRESS,
                    "subject": SUBJECT,
                    "message": TEXT,
                    "attachments": files,
                },
            ),
            (
                "sms/batch",
                {
                    "message": TEXT,
                    "parties": [
                        {"mobileNumber": MOBILE, "partyId": self.party},
                        {"mobileNumber": "+46701740605"},
                    ],
                },
            ),
            (
                "letter",
                letter(
                    to_paper, addresses=[HOME], subject=SUBJECT, body=TEXT, attachments=enclosures
                ),
            ),
            ("slack", {"token": "xoxb-kanarie-hemlig", "channel": "#kanarie", "message": TEXT}),
        ]
        for path, body in bodies:
            answer = await post(f"/2281/{path}", body, X_Sent_By="type=adAccount; joe01doe")
            assert answer.status == 201, answer.text
            told = answer.json.get("messages", [answer.json])
            self.messages += [message["messageId"] for message in told]

    async def read(self, client: Client) -> list[Any]:
        """All that can be had of it."""
        paths = [
            f"/2281/conversation-history/{self.party}",
            "/2281/users/joe01doe/messages?limit=50",
            "/2281/users/joe01doe/batches",
        ]
        paths += [
            f"/2281/messages/{message}{part}"
            for message in self.messages
            for part in ("", "/metadata")
        ]
        paths += [f"/2281/messages/{self.messages[1]}/attachments?fileName={NAME}"]
        answers = [await fetched(client, path) for path in paths]
        assert [status for status, _, _ in answers] == [200] * len(paths)
        return [body for _, _, body in answers]


@pytest.fixture
async def said(client: Client) -> Said:
    found = Said(client)
    await found.everything()
    return found


async def test_nothing_that_was_said_stands_readable_in_any_table_or_file(
    said: Said, database: Database
) -> None:
    text, whole = await written(database), b"".join(await said.read(said.client))
    digest = sha256(FILE).digest()
    secrets = [
        TEXT,
        SUBJECT,
        MOBILE,
        ADDRESS,
        said.party,
        NAME,
        *(HOME[name] for name in ("firstName", "lastName", "address")),
    ]
    assert all(secret.encode() in whole or secret == said.party for secret in secrets), (
        "what is looked for was said"
    )
    assert [secret for secret in secrets if readable(secret, text)] == []
    assert [plain for plain in (FILE[:40], FILE[-40:], digest) if plain.hex() in text] == []
    await database.pool.execute("CHECKPOINT")
    folder = Path(await database.pool.fetchval("SHOW data_directory"))
    wanted = [secret.encode() for secret in secrets] + [FILE[:40], digest, digest.hex().encode()]
    found = await asyncio.to_thread(
        lambda: [
            (path, secret) for path, data in files_of(folder) for secret in wanted if secret in data
        ]
    )
    assert found == []


async def test_what_a_key_was_used_for_cannot_be_guessed_from_its_row(
    client: Client, database: Database
) -> None:
    raw = b'{"mobileNumber": "+46701740605", "message": "Hej"}'
    for status in (201, 201):
        assert (await client.post("/2281/sms", raw, Idempotency_Key="kanarie")).status == status
    assert (
        await client.post("/2281/sms", raw.replace(b"Hej", b"Nej"), Idempotency_Key="kanarie")
    ).status == 422
    plain = sha256(b"/2281/sms\0\0" + raw).digest()
    assert await database.pool.fetchval("SELECT digest FROM idempotency_keys") != plain


def files_of(folder: Path) -> list[tuple[Path, bytes]]:
    """Tables, indexes, the write-ahead log, the server's own log."""
    paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return [(path, path.read_bytes()) for path in paths if path.is_file()]


# -- after the end of a month ----------------------------------------


@pytest.fixture
async def ended(database: Database, tmp_path: Path) -> AsyncIterator[tuple[Said, Client]]:
    """The month in which it was said has ended, and its key is destroyed; seen by a process that
    was started after."""
    try:
        async with serving(database, tmp_path / "before") as before:
            said = Said(before)
            await said.everything()
        await database.vault.rows.destroy(database.pool, ("2281", named(month_of(utc_now()))))
        async with serving(database, tmp_path / "after") as after:
            yield said, after
    finally:
        await empty(database.url, f"{ROWS}, {TABLES}")


async def test_an_erased_month_tells_that_it_was_erased_and_what_became_of_it(
    ended: tuple[Said, Client],
) -> None:
    said, client = ended
    sms, email = said.messages[:2]
    for path in (
        f"/2281/conversation-history/{said.party}",
        f"/2281/messages/{sms}",
        f"/2281/messages/{sms}/metadata",
    ):
        answer = await client.get(path)
        assert answer.status == 200
        assert all(
            told["content"] == {"erased": True} and told["status"] == "SENT" for told in answer.json
        )
        assert answer.json
    for path in (
        f"/2281/messages/{email}/attachments?fileName={NAME}",
        f"/2281/messages/{email}/attachments/{NAME}",
    ):
        answer = await client.get(path)
        assert (answer.status, answer.json["code"], answer.json["title"]) == (410, "erased", "Gone")
    messages = (await client.get("/2281/users/joe01doe/messages?limit=50")).json["messages"]
    assert len(messages) == len(said.messages)
    assert all(message["erased"] is True and "body" not in message for message in messages)
    assert (await client.get("/2281/users/joe01doe/batches")).json["_meta"]["totalRecords"] == 5
    assert (await client.get(f"/2281/status/messages/{sms}")).json["deliveries"][0][
        "status"
    ] == "SENT"
    assert (await client.get("/2281/statistics")).json["SMS"]["sent"] == 3


async def test_a_file_of_an_erased_month_opens_for_nobody_until_it_is_sent_anew_elsewhere(
    ended: tuple[Said, Client], database: Database
) -> None:
    """It still stands there, once; but no message that can be read names it, and so nobody has its
    key."""
    _, client = ended
    row = await database.pool.fetchrow("SELECT data FROM attachments WHERE size = $1", len(FILE))
    assert row is not None
    assert FILE[:40] not in row["data"]
    body = {
        "emailAddress": ADDRESS,
        "subject": "x",
        "message": "y",
        "attachments": [enclosed(NAME, FILE, "application/pdf")],
    }
    answer = await client.post("/2260/email", body)
    assert answer.status == 201, answer.text
    assert (
        await fetched(
            client, f"/2260/messages/{answer.json['messageId']}/attachments?fileName={NAME}"
        )
    )[2] == FILE


async def test_a_delivery_whose_month_was_erased_fails_and_says_so(
    ended: tuple[Said, Client], database: Database
) -> None:
    said, client = ended
    delivery = (await client.get(f"/2281/status/messages/{said.messages[0]}")).json["deliveries"][
        0
    ]["deliveryId"]
    await database.pool.execute(
        "UPDATE deliveries SET status = 'uncertain', next = '{snail_mail}' WHERE id = $1",
        delivery,
    )
    decided = await client.post(
        f"/2281/deliveries/{delivery}/resolve", {"decision": "resend"}, X_Sent_By="joe01doe"
    )
    assert decided.status == 200, decided.text
    found = await client.until(
        f"/2281/status/delivery/{delivery}", lambda d: d["status"] == "FAILED"
    )
    assert found["reason"]["code"] == "erased"
    message = (await client.get(f"/2281/status/messages/{said.messages[0]}")).json
    assert len(message["deliveries"]) == 1, "nothing that can be read is left to fall back with"


async def test_nothing_more_is_accepted_into_an_erased_month(ended: tuple[Said, Client]) -> None:
    _, client = ended
    answer = await client.post("/2281/sms", {"mobileNumber": MOBILE, "message": TEXT})
    assert (answer.status, answer.json["code"]) == (410, "erased")
