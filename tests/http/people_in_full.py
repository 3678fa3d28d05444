"""A person of whom everything is known: directory, settings, delegate, device, and messages by
every channel; and who else may know."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from tests.http.conftest import Client
from tests.http.directory.test_directory import delegate, setting
from tests.http.messages.test_letter import attachment, citizen, letter
from tests.http.messages.test_push import device
from tests.http.pdf import encoded
from utskick.domain.status import RESTED
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.crypto.cipher import Locked
from utskick.store.crypto.columns import Column, sealed_values
from utskick.store.database import Database

PHONE, MAIL, STREET = "+46701740677", "kanarie.fagel@example.se", "Kanariegatan"
TEXT, FILE, SUBJECT = "Kanariefågelns text", "kanarie-bilaga.txt", "Kanarieärende"
HOME = {
    "firstName": "Kanarie",
    "lastName": "Fågel",
    "address": f"{STREET} 17",
    "zipCode": "85230",
    "city": "Sundsvall",
}
SENDER = {"X_Sent_By": "anna01; type=adAccount", "x_origin": "CASEDATA"}


@dataclass(frozen=True, slots=True)
class Person:
    """``messages``: ids by what they were sent as; ``other``: somebody who was written to in the
    same requests."""

    party: str
    number: str
    setting: str
    agent: str
    messages: dict[str, str]
    batches: dict[str, str]
    other: str
    others: tuple[str, ...]


def requests_about(party: str, other: str, bag: object) -> list[tuple[str, str, Any]]:
    """One request of each channel: (name, path, body)."""
    who = {"party": {"partyId": party}}
    letters = {"department": "SBK", "attachments": [attachment(name="delad.pdf", text="delad")]}
    own_letter = {
        **letters,
        "address": HOME,
        "folderName": STREET,
        "attachments": [attachment(name="kanarie.pdf", text=TEXT)],
    }
    plain = {"address": {**HOME, "firstName": "Nils", "address": "Storgatan 1"}}
    return [
        (
            "sms",
            "sms",
            {"mobileNumber": PHONE, "message": TEXT, "reference": f"ref {STREET}", **who},
        ),
        (
            "email",
            "email",
            {
                "emailAddress": MAIL,
                "subject": SUBJECT,
                "message": TEXT,
                **who,
                "attachments": [
                    {"name": FILE, "contentType": "text/plain", "content": encoded(TEXT)}
                ],
            },
        ),
        ("letter", "letter", letter(party, other)),
        (
            "messages",
            "messages",
            {
                "messages": [
                    {**who, "subject": SUBJECT, "message": TEXT},
                    {"party": {"partyId": other}, "subject": "s", "message": "Annan text"},
                ]
            },
        ),
        ("push", "push", {"party": {"partyIds": [party]}, "title": SUBJECT, "message": TEXT}),
        ("snail-mail", f"snail-mail?batchId={bag}", {**own_letter, **who}),
        (
            "other letter",
            f"snail-mail?batchId={bag}",
            {**letters, **plain, "party": {"partyId": other}},
        ),
        (
            "digital-mail",
            "digital-mail?async=true",
            {
                "party": {"partyIds": [party]},
                "subject": SUBJECT,
                "contentType": "text/plain",
                "body": TEXT,
            },
        ),
    ]


async def known_in_full(client: Client) -> Person:
    digits = number(21, "10")  # no digital mailbox: letters come on paper
    party, other = await citizen(client, digits), await citizen(client, number(22, "10"))
    home = {"legalId": digits, "names": {"firstName": "KANARIE", "lastName": "FÅGEL"}}
    put = await client.call(
        "PUT",
        f"/2281/parties/{party}",
        {**home, "address": {k: HOME[k] for k in ("address", "zipCode", "city")}},
    )
    assert put.status == 200, put.text
    phone = {"contactMethod": "SMS", "alias": "mobil", "destination": PHONE}
    own = await setting(client, phone, partyId=party)
    await setting(
        client, {"contactMethod": "EMAIL", "alias": "jobbet", "destination": MAIL}, createdById=own
    )
    agent = await setting(
        client, {"contactMethod": "SMS", "alias": "annan", "destination": "+46701740699"}
    )
    await delegate(
        client,
        own,
        agent,
        {"attributeName": "category", "operator": "EQUALS", "attributeValue": STREET},
    )
    await device(client, f"mobil-{party[:8]}", party)
    messages, batches, others = dict[str, str](), dict[str, str](), []
    bag = uuid4()
    requests = requests_about(party, other, bag)
    for name, path, body in requests:
        answer = await client.post(f"/2281/{path}", body, **SENDER)
        told = answer.json
        assert answer.status == 201, answer.text
        sent = told["messages"][0] if "messages" in told else told
        (
            others.append(sent["messageId"])
            if name == "other letter"
            else messages.__setitem__(name, sent["messageId"])
        )
        batches[name] = told.get("batchId", str(bag))
        if len(told.get("messages", ())) > 1:
            others.append(told["messages"][1]["messageId"])
    assert (await client.post(f"/2281/snail-mail/batch/{bag}")).status == 200
    for message_id in (*messages.values(), *others):
        await client.until(
            f"/2281/status/messages/{message_id}",
            lambda m: all(d["lifecycle"] in RESTED for d in m["deliveries"]),
        )
    return Person(party, digits, own, agent, messages, batches, other, tuple(others))


async def told_anywhere(database: Database, *needles: str) -> list[str]:
    """The tables that hold any of these, in the clear, as bytes, or sealed: ``table: what``. The
    audit trail names people by their key."""
    tables = [
        row[0]
        for row in await database.pool.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
    ]
    found = []
    for table in tables:
        if table.startswith("audit_"):
            continue
        rows = await database.pool.fetch(f'SELECT t.*, t::text AS "_text" FROM "{table}" t')
        text = "\n".join([*(row["_text"] for row in rows), *await opened(database, rows)]).lower()
        for needle in needles:
            if (
                needle.lower() in text
                or needle.lower().encode().hex() in text
                or needle.encode().hex() in text
            ):
                found.append(f"{table}: {needle}")
    return found


async def opened(database: Database, rows: list[Any]) -> list[str]:
    """What stands sealed in them by a month."""
    sealed = [row for row in rows if sealed_values(row)]
    await database.vault.at_hand(sealed)
    texts = []
    for row in sealed:
        for value in sealed_values(row):
            for column in Column:
                with suppress(Locked):
                    texts.append(
                        database.vault.decrypt_column(
                            row["municipality_id"], column, value, row.get("id")
                        ).decode(errors="replace")
                    )
    return texts


async def needles(database: Database, person: Person) -> list[str]:
    key = (await database.vault.index("2281", person.party)).hex()
    own = [UUID(one).bytes.hex() for one in (person.party, *person.messages.values())]
    return [
        person.party,
        person.number,
        PHONE,
        MAIL,
        STREET,
        TEXT,
        FILE,
        SUBJECT,
        "Kanarie",
        key,
        *person.messages.values(),
        *own,
    ]
