"""Two tenants in one database: PostgreSQL itself keeps a request to its own, also when a statement forgets to say whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode
from uuid import uuid4

import asyncpg
import pytest

from tests.http.conftest import Client
from tests.http.tokens import client_of, fetched
from utskick.store.database import Database
from utskick.store.tenant import ROLE

OURS, THEIRS = "2281", "2260"


async def guarded(database: Database) -> list[str]:
    rows = await database.pool.fetch(
        """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attname = 'municipality_id' AND NOT a.attisdropped
            AND c.relname NOT LIKE 'vault_%'
        ORDER BY 1
        """
    )
    return [row["relname"] for row in rows]


async def test_every_table_with_a_municipality_is_guarded_and_no_other_is_open(database: Database) -> None:
    tables = await guarded(database)
    assert len(tables) > 20
    rows = await database.pool.fetch(
        "SELECT c.relname, c.relrowsecurity, EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS ruled,"
        " has_table_privilege($1, c.oid, 'SELECT') AS readable FROM pg_class c"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'",
        ROLE,
    )  # fmt: skip
    state = {row["relname"]: (row["relrowsecurity"], row["ruled"]) for row in rows}
    assert {name: state[name] for name in tables} == dict.fromkeys(tables, (True, True))
    assert {row["relname"] for row in rows if row["readable"]} - set(tables) == {"pgqueuer"}
    assert state["pgqueuer"] == (True, True)


async def test_without_a_where_nothing_of_the_other_is_seen_changed_or_made(client: Client, database: Database) -> None:
    party = str(uuid4())
    await client.post(f"/{OURS}/sms", {"mobileNumber": "+46701740605", "message": "m", "party": {"partyId": party}, "sendAt": later()})
    await client.call("PUT", f"/{OURS}/parties/{party}", {"legalId": "190001018100"})
    theirs, ours = database.of(THEIRS), database.of(OURS)
    for table in await guarded(database):  # keys of their own may be left of an earlier test
        assert await theirs.fetchval(f"SELECT count(*) FROM {table} WHERE municipality_id <> $1", THEIRS) == 0, table
    assert await theirs.fetchval("SELECT count(*) FROM pgqueuer") == 0
    assert await ours.fetchval("SELECT count(*) FROM messages") == 1
    for table in ("messages", "deliveries", "parties", "batches"):
        assert await theirs.execute(f"UPDATE {table} SET municipality_id = municipality_id") == "UPDATE 0", table
        assert await theirs.execute(f"DELETE FROM {table}") == "DELETE 0", table
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await theirs.execute("INSERT INTO watermarks (name, municipality_id, tx) VALUES ('x', $1, 1)", OURS)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await theirs.execute(
            "INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'sms:bulk', $1, 'queued')", uuid4().bytes + b"2281"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await theirs.fetch("SELECT * FROM clients")


async def test_a_connection_that_goes_from_hand_to_hand_is_bound_anew(database: Database) -> None:
    await database.pool.execute("INSERT INTO watermarks (name, municipality_id, tx) VALUES ('x', $1, 1), ('x', $2, 2)", OURS, THEIRS)
    for _ in range(30):
        assert [row["tx"] for row in await database.of(OURS).fetch("SELECT tx FROM watermarks")] == [1]
        assert [row["tx"] for row in await database.of(THEIRS).fetch("SELECT tx FROM watermarks")] == [2]
    assert await database.of("").fetch("SELECT tx FROM watermarks") == []


def later() -> str:
    return (datetime.now(UTC) + timedelta(days=30)).isoformat()


CANARIES = (
    "Hemlig text",
    "Hemligt ämne",
    "+46701740605",
    "Hemlig avdelning",
    "190001018100",
    "hemlig@example.se",
    "Hemligvägen",
    "Hemligt AB",
)


async def known(client: Client) -> dict[str, str]:
    """Something of everything in the first municipality; the ids by the names of path and query parameters."""
    party = str(uuid4())
    who = {"X_Sent_By": "joe01doe; type=adAccount", "x_origin": "Skolappen"}
    home = {"address": "Hemligvägen 1", "zipCode": "85230", "city": "Sundsvall"}
    await client.call("PUT", f"/{OURS}/parties/{party}", {"legalId": "190001018100", "address": home})
    body = {"emailAddress": "hemlig@example.se", "subject": "Hemligt ämne", "message": "Hemlig text", "party": {"partyId": party},
            "department": "Hemlig avdelning", "attachments": [{"name": "a.txt", "content": "SGVtbGlnIHRleHQ="}]}  # fmt: skip
    sent = (await client.post(f"/{OURS}/email", body, **who)).json
    await client.post(f"/{OURS}/sms", {"mobileNumber": "+46701740605", "message": "Hemlig text", "party": {"partyId": party}}, **who)
    channels = [{"contactMethod": "SMS", "alias": "mobil", "destination": "+46701740605"}]
    made = await client.post(f"/{OURS}/settings", {"partyId": party, "alias": "mina", "contactChannels": channels})
    await client.call("PUT", f"/{OURS}/configuration/email", {"sender": {"name": "Hemligt AB", "address": "hemlig@example.se"}})
    hook = (await client.post(f"/{OURS}/webhooks", {"url": "http://127.0.0.1:9/x"}, x_origin="Skolappen")).json
    return {
        "partyId": party, "messageId": sent["messageId"], "batchId": sent["batchId"], "deliveryId": sent["deliveries"][0]["deliveryId"],
        "userId": "joe01doe", "fileName": "a.txt", "department": "Hemlig avdelning", "destination": "+46701740605",
        "id": made.headers["Location"].rpartition("/")[2], "webhook": hook["id"], "filterId": str(uuid4()), "origin": "Skolappen",
        "agentId": party, "principalId": party, "section": "email",
    }  # fmt: skip


async def test_no_reading_call_tells_a_byte_of_another_municipality(client: Client) -> None:
    ids = await known(client)
    document = (await client.get("/openapi.json")).json
    calls = [(path, item["get"]) for path, item in document["paths"].items() if "get" in item and path.startswith("/{municipalityId}")]
    assert len(calls) > 20
    for path, operation in calls:
        if path.endswith("/events") and "batch" in path:
            continue  # answers 404 like the status of the batch; a stream is no body to compare
        given = {p["name"]: ids[p["name"]] for p in operation["parameters"] if p["in"] == "query" and p["name"] in ids}
        named = {**ids, "id": ids["webhook"]} if "webhooks" in path else ids
        filled = path.format(**{**named, "municipalityId": "{m}"})
        query = f"?{urlencode(given)}" if given else ""
        ours = await client.get(quote(filled.format(m=OURS)) + query, x_origin="Skolappen")
        theirs = await client.get(quote(filled.format(m=THEIRS)) + query, x_origin="Skolappen")
        assert ours.status in (200, 404), (path, ours.text)
        assert theirs.status in (200, 404), (path, theirs.text)
        if (
            "{" in path.removeprefix("/{municipalityId}").removesuffix("/{section}")
            and ours.status == 200
            and not ours.text.startswith(("[", '{"batches"', '{"messages"'))
        ):
            assert theirs.status == 404, f"{path} knows of it"
        echoed = {value for value in ids.values() if value in filled or value in given.values()}
        for canary in CANARIES:
            assert canary not in theirs.text or canary in echoed, (path, canary)


async def test_a_token_of_one_municipality_opens_no_other(client: Client, database: Database) -> None:
    ids = await known(client)
    await client_of(database, "theirs", municipalities=[THEIRS])
    token = await fetched(client._session, client.running.api_url, "theirs")
    for path in (f"messages/{ids['messageId']}", f"conversation-history/{ids['partyId']}", "statistics", "events"):
        refused = await client.get(f"/{OURS}/{path}", Authorization=f"Bearer {token}")
        assert refused.status == 403
        assert not any(canary in refused.text for canary in CANARIES)
        allowed = await client.get(f"/{THEIRS}/{path}", Authorization=f"Bearer {token}")
        assert allowed.status in (200, 404)
