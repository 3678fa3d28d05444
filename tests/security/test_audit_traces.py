"""What a security officer missed in the audit log: subjects of creations, probing, tokens, reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.http import tokens
from tests.http.conftest import Client, serving
from tests.http.examples import EXAMPLES
from tests.http.messages.test_push import device
from utskick.store.database import Database


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> Any:
    async with serving(database, tmp_path, work=False) as found:
        yield found


async def entries(database: Database, action: str, municipality_id: str = "2281") -> list[Any]:
    """Newest last."""
    rows = await database.pool.fetch(
        "SELECT * FROM audit_entries WHERE municipality_id = $1 AND action = $2 ORDER BY tx, id",
        municipality_id,
        action,
    )
    return [dict(row) for row in rows]


async def made(client: Client, path: str, body: Any) -> str:
    answer = await client.post(path, body)
    assert answer.status == 201, answer.text
    return str(answer.headers["Location"]).rpartition("/")[2]


async def test_what_is_created_is_named_by_its_entry(client: Client, database: Database) -> None:
    party = str(uuid4())
    index = (await database.vault.index("2281", party)).hex()
    body = EXAMPLES["ContactSettingCreateRequest"]
    setting = await made(client, "/2281/settings", {**body, "partyId": party})
    other = await made(client, "/2281/settings", {**body, "partyId": str(uuid4())})
    virtual = await made(
        client, "/2281/settings", {"createdById": setting, "alias": "Ombud", "contactChannels": []}
    )
    delegate = await made(
        client,
        "/2281/delegates",
        {**EXAMPLES["DelegateCreateRequest"], "principalId": setting, "agentId": other},
    )
    await client.get(f"/2281/delegates?agentId={other}")
    await device(client, "mobilen", party)
    subjects = {
        (e["subject"]["operation"], e["subject"].get("id")): e["subject"]
        for e in await entries(database, "change-directory")
    }
    assert subjects["createContactSetting", setting]["party"] == index
    assert subjects["createContactSetting", virtual]["createdById"] == setting
    assert subjects["createDelegate", delegate] == {
        "operation": "createDelegate",
        "id": delegate,
        "principalId": setting,
        "agentId": other,
    }
    [device_id] = [
        str(row["id"]) for row in await database.pool.fetch("SELECT id FROM push_subscriptions")
    ]
    assert subjects["createSubscription", device_id]["party"] == index
    [found] = [
        e["subject"]
        for e in await entries(database, "read-history")
        if e["subject"]["operation"] == "findDelegates"
    ]
    assert found == {"operation": "findDelegates", "agentId": other}


async def test_a_hold_is_named_with_what_it_covers(client: Client, database: Database) -> None:
    party = str(uuid4())
    body = {**EXAMPLES["SmsRequest"], "party": {"partyId": party}}
    sent = (await client.post("/2281/sms?async=true", body)).json
    for kind, subject in (
        ("party", party),
        ("message", sent["messageId"]),
        ("batch", sent["batchId"]),
    ):
        hold = await made(client, "/2281/holds", {"kind": kind, "id": subject, "reason": "Tvist"})
        told = (await entries(database, "hold"))[-1]["subject"]
        named = (
            {"party": (await database.vault.index("2281", party)).hex()}
            if kind == "party"
            else {f"{kind}Id": subject}
        )
        assert told == {"operation": "createHold", "id": hold, "kind": kind, **named}
        assert party not in repr(told)


async def test_probing_for_ids_leaves_a_trace_and_no_flood_of_it(
    client: Client, database: Database
) -> None:
    ids = [str(uuid4()) for _ in range(25)]
    for one in ids:
        assert (await client.get(f"/2281/messages/{one}")).status == 404
    told = await entries(database, "not-found")
    assert [e["subject"] for e in told] == [
        {"operation": "getMessage", "messageId": one, "municipality": "2281"} for one in ids[:20]
    ]
    assert {e["client"] for e in told} == {"everything"}
    party = str(uuid4())
    assert (await client.get(f"/2260/parties/{party}")).status == 404
    [of_person] = await entries(database, "not-found", "2260")
    assert of_person["subject"]["party"] == (await database.vault.index("2260", party)).hex()
    assert party not in repr(of_person)


async def test_what_was_only_counted_is_told_in_one(database: Database, tmp_path: Path) -> None:
    async with serving(database, tmp_path, work=False) as client:
        for _ in range(23):
            await client.get(f"/2281/status/messages/{uuid4()}")
    told = await entries(database, "not-found")
    assert (len(told), told[-1]["subject"]["times"], told[-1]["subject"]["operations"]) == (
        21,
        3,
        ["getMessageStatus"],
    )


async def test_a_token_given_out_is_logged_where_it_is_good_for(
    client: Client, database: Database
) -> None:
    await tokens.client_of(
        database, "skolappen", municipalities=["2281", "2262"], allowed=["sms:send", "status:read"]
    )
    session, url = client._session, client.running.api_url
    await tokens.fetched(session, url, "skolappen", scope="sms:send")
    for municipality_id in ("2281", "2262"):
        told = await entries(database, "token", municipality_id)
        assert [e["subject"] for e in told if e["client"] == "skolappen"] == [
            {"operation": "token", "scope": "sms:send"}
        ]
    assert "skolappen" not in {e["client"] for e in await entries(database, "token", "2260")}


async def test_no_token_is_given_out_that_cannot_be_logged(
    client: Client, database: Database
) -> None:
    await tokens.client_of(database, "skolappen")
    await database.pool.execute("ALTER TABLE audit_entries RENAME TO away")
    try:
        with pytest.raises(AssertionError):
            await tokens.fetched(client._session, client.running.api_url, "skolappen")
    finally:
        await database.pool.execute("ALTER TABLE away RENAME TO audit_entries")


async def test_reads_of_feeds_and_configuration_are_logged(
    client: Client, database: Database
) -> None:
    page = (await client.get("/2281/events?limit=5")).json
    assert (await client.get(f"/2281/events?after={page['next']}")).status == 200
    assert (await client.get("/2281/configuration/email?department=Skola")).status == 200
    assert (await client.get("/2281/configuration")).status == 200
    assert (await client.get("/2281/webhooks", x_origin="Byggr")).status == 200
    assert [e["subject"] for e in await entries(database, "read-feed")] == [
        {"operation": "getEvents", "limit": "5"},
        {"operation": "getEvents", "after": page["next"]},
    ]
    assert [e["subject"] for e in await entries(database, "read-configuration")] == [
        {"operation": "getConfiguration", "section": "email", "department": "Skola"},
        {"operation": "getConfigurations"},
        {"operation": "getWebhooks"},
    ]
