"""Personal data is where it belongs: not in a log, not in the trail, not in the audit chain, not
readable in the database's own files."""

from __future__ import annotations

import io
import logging
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import aiohttp
import structlog

from tests.http.conftest import Client
from tests.http.messages.test_letter import ADDRESS, letter
from tests.http.messages.test_messages import message, settle_on
from tests.http.pdf import encoded
from utskick import logs
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database

PHONE, MAIL, PERSON = "+46709991234", "kanariefagel@example.se", number(77)
TEXT, SUBJECT, STREET, NAME = (
    "Kanariehemligheten kvittrar",
    "Kanarieämnet",
    "Kanarievägen 77",
    "Kanariesson",
)
FILE = b"Kanariefilens innehall, som ingen ska kunna finna"
WHO = {"x_origin": "Skolappen", "X_Sent_By": "joe01doe; type=adAccount"}


def canaries(party: str) -> dict[str, bytes]:
    words = (
        PHONE,
        PHONE[1:],
        MAIL,
        PERSON,
        PERSON[2:],
        TEXT,
        SUBJECT,
        STREET,
        NAME,
        FILE.decode(),
        b64encode(FILE).decode(),
        party,
    )
    return {word: word.encode() for word in words}


async def lived(client: Client) -> str:
    """Everything is sent, read, refused and broken with the canaries in it. The party id."""
    party = str(uuid4())
    home = {"address": STREET, "zipCode": "85230", "city": "Sundsvall"}
    person = {
        "legalId": PERSON,
        "names": {"firstName": "Kanarie", "lastName": NAME},
        "address": home,
    }
    assert (await client.call("PUT", f"/2281/parties/{party}", person, **WHO)).status == 201
    to = {"party": {"partyId": party}}
    sms = {"mobileNumber": PHONE, "message": TEXT, **to}
    email = {
        "emailAddress": MAIL,
        "subject": SUBJECT,
        "message": TEXT,
        **to,
        "attachments": [{"name": "a.txt", "content": b64encode(FILE).decode()}],
    }
    place = {**ADDRESS, "lastName": NAME, "address": STREET}
    requests: list[tuple[str, Any]] = [
        ("sms", sms),
        ("sms/batch", {"message": TEXT, "parties": [{"mobileNumber": PHONE, "partyId": party}]}),
        ("email", email),
        ("letter", letter(party, addresses=[place], body=TEXT, subject=SUBJECT)),
        ("messages", {"messages": [message(party)]}),
        (
            f"snail-mail?batchId={uuid4()}",
            {
                "department": "SBK",
                "address": place,
                "attachments": [{"filename": "b.pdf", "content": encoded(TEXT)}],
            },
        ),
        (
            "2120002411/digital-mail",
            {
                "party": {"partyIds": [party]},
                "subject": SUBJECT,
                "contentType": "text/plain",
                "body": TEXT,
            },
        ),
        (
            "slack",
            {"token": "xoxb-" + TEXT.replace(" ", "-"), "channel": "#drift", "message": TEXT},
        ),
        (
            "webmessage",
            {
                "message": TEXT,
                "party": {
                    "partyId": party,
                    "externalReferences": [{"key": "flowInstanceId", "value": "1"}],
                },
            },
        ),
    ]
    ids = [(await client.post(f"/2281/{path}", body, **WHO)) for path, body in requests]
    assert {answer.status for answer in ids} <= {201, 404, 502}, [answer.text for answer in ids]
    for end in ("03", "05", "07", "08"):  # refused, put off, cut off, garbled
        await client.post("/2281/sms", {**sms, "mobileNumber": f"+467000009{end}"}, **WHO)
    for bad in (
        {**sms, "mobileNumber": PHONE + "x"},
        {**email, "emailAddress": MAIL + "@"},
        [TEXT],
        {**sms, "message": None},
    ):
        assert (await client.post("/2281/sms", bad, **WHO)).status == 400
    await settle_on(client, ("SMS", PHONE, False), ("EMAIL", MAIL, False))
    for path in (
        f"conversation-history/{party}",
        f"messages/{ids[2].json['messageId']}",
        f"messages/{ids[2].json['messageId']}/attachments/a.txt",
        "users/joe01doe/messages",
        "users/joe01doe/batches",
        f"parties/{party}",
        f"settings?partyId={party}",
        f"settings/contact-channels?destination={PHONE.replace('+', '%2B')}",
        f"conversation-history/{NAME}",
        f"messages/{TEXT}",
        "events",
    ):
        assert (await client.get(f"/2281/{path}", **WHO)).status < 500, path
    await client.call("DELETE", f"/2281/parties/{party}?scope=directory", **WHO)
    return party


async def test_nothing_personal_is_logged_whatever_happens(
    client: Client, database: Database
) -> None:
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    handler.setFormatter(logs.Masked())
    logging.getLogger().addHandler(handler)
    with structlog.testing.capture_logs() as events:
        party = await lived(client)
    one = {"mobileNumber": PHONE, "message": TEXT, "party": {"partyId": party}}
    many = {
        "message": TEXT,
        "parties": [{"mobileNumber": PHONE, "partyId": party}, {"mobileNumber": "+46701740605"}],
    }
    await database.pool.execute(
        "ALTER TABLE messages ADD CONSTRAINT broken CHECK (ordinal < 0) NOT VALID"
    )
    try:  # a fault of ours, with rows in the driver's message
        for path, body in (("sms", one), ("sms/batch", many)):
            assert await posted(client, path, body) == 500
    finally:
        await database.pool.execute("ALTER TABLE messages DROP CONSTRAINT broken")
        logging.getLogger().removeHandler(handler)
    assert "Failing row" not in told.getvalue(), "rows that the driver repeats are left out"
    said = told.getvalue() + repr(events)
    assert "CheckViolation" in said, "the fault itself is told"
    assert [word for word in canaries(party) if word in said] == []


async def posted(client: Client, path: str, body: dict[str, Any]) -> int:
    """On a connection of its own: the server closes it after a fault."""
    url = f"{client.running.api_url}/2281/{path}"
    async with (
        aiohttp.ClientSession(headers=client.bearer) as session,
        session.post(url, json=body) as answer,
    ):
        return answer.status


async def test_nothing_personal_is_readable_in_the_databases_own_files(
    client: Client, database: Database
) -> None:
    party = await lived(client)
    await database.pool.execute("CHECKPOINT")
    folder = Path(parse_qs(urlsplit(database.url).query)["host"][0])
    tables = await database.pool.fetch(
        "SELECT pg_relation_filepath(oid) AS path FROM pg_class WHERE relkind IN ('r', 'i', 't') AND oid >= 16384"
    )
    files = [found for row in tables for found in folder.rglob(str(row["path"]))]
    assert len(files) > 50
    whole = b"".join(path.read_bytes() for path in files)
    wal = b"".join(path.read_bytes() for path in folder.rglob("pg_wal/0*"))
    assert [word for word, raw in canaries(party).items() if raw in whole or raw in wal] == []


async def test_the_audit_trail_names_nobody(client: Client, database: Database) -> None:
    party = await lived(client)
    rows = await database.pool.fetch("SELECT t::text AS row FROM audit_entries t")
    told = "\n".join(row["row"] for row in rows)
    assert "read-history" in told
    assert [word for word in canaries(party) if word in told] == []
