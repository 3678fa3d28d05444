"""Personal numbers and tokens are unreadable on disk, and a token is gone when its message has
settled."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from tests.http.conftest import Client
from utskick.sandbox.digital_mail.citizens import number
from utskick.store.database import Database

TOKEN = "xoxb-correct-horse-battery"


async def written(database: Database) -> str:
    """All that stands in the tables, bytes as hexadecimal digits."""
    named = await database.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [
        await database.pool.fetch(f'SELECT t::text AS row FROM "{table["tablename"]}" t')
        for table in named
    ]
    return "\n".join(row["row"] for found in rows for row in found)


def readable(secret: str, text: str) -> bool:
    return secret in text or secret.encode().hex() in text


async def test_a_token_is_unreadable_while_it_waits_and_erased_when_it_is_not_needed(
    client: Client, database: Database
) -> None:
    body = {"token": TOKEN, "channel": "#ratelimited", "message": "Vattnet är tillbaka."}
    answer = await client.post("/2281/slack?async=true", body)
    assert answer.status == 201, answer.text
    for _ in range(100):
        waiting = await database.pool.fetchrow(
            "SELECT secret FROM deliveries WHERE status = 'deferred'"
        )
        if waiting is not None:
            break
        await asyncio.sleep(0.02)
    assert waiting is not None
    assert waiting["secret"] is not None
    assert not readable(TOKEN, await written(database))
    delivery = answer.json["deliveries"][0]["deliveryId"]
    await client.until(
        f"/2281/status/delivery/{delivery}", lambda d: d["status"] == "SENT", within=15
    )
    assert (
        await database.pool.fetchval("SELECT count(*) FROM deliveries WHERE secret IS NOT NULL")
        == 0
    )
    assert TOKEN not in (await client.get(f"/2281/status/delivery/{delivery}")).text


async def test_a_personal_number_is_unreadable_wherever_it_was_needed(
    client: Client, database: Database
) -> None:
    one = number(400)
    party = str(uuid4())
    home = {"address": "Storgatan 2", "zipCode": "85230", "city": "Sundsvall"}
    person = {"legalId": one, "names": {"firstName": "Anna", "lastName": "Öberg"}, "address": home}
    await client.call("PUT", f"/2281/parties/{party}", person)
    said = {
        "party": {"partyIds": [party]},
        "subject": "Beslut",
        "contentType": "text/plain",
        "body": "Beviljat.",
    }
    assert (await client.post("/2281/2120002411/digital-mail", said)).status == 201
    text = await written(database)
    assert not readable(one, text)
    assert not readable(one[2:], text)
    for path in (f"/2281/parties/{party}", f"/2281/conversation-history/{party}"):
        assert one not in (await client.get(path)).text
