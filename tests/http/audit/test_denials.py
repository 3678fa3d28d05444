"""Who is refused is in the trail, of those whose client it is and of those it was aimed at; no
flood fills it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
import structlog

from tests.http import tokens
from tests.http.audit.test_audit import SMS, WHO, trail
from tests.http.conftest import Client, serving
from utskick.store.database import Database

SCOPE = "this call requires the scope history:read, which the token does not have"
OTHER = "the token is not valid for the municipality of this call"


async def known_as(client: Client, database: Database, name: str, **may: Any) -> Client:
    """The same service, as another client of it."""
    await tokens.client_of(database, name, **may)
    return Client(
        client.running,
        client._session,
        await tokens.fetched(client._session, client.running.api_url, name),
    )


async def refused(database: Database, municipality_id: str = "2281") -> list[dict[str, Any]]:
    return [
        entry for entry in await trail(database, municipality_id) if entry["action"] == "refused"
    ]


async def test_a_client_without_the_scope_is_told_with_what_it_asked_for_from_where_and_why(
    client: Client, database: Database
) -> None:
    skolappen = await known_as(
        client, database, "skolappen", allowed=["sms:send"], municipalities=["2281", "2262"]
    )
    party, message = str(uuid4()), str(uuid4())
    assert (await skolappen.get(f"/2281/conversation-history/{party}", **WHO)).status == 403
    assert (await skolappen.get(f"/2281/messages/{message}", **WHO)).status == 403
    assert (await skolappen.get("/2281/messages/190001018100", **WHO)).status == 403
    told = await refused(database)
    common = {"refused": "insufficient-scope", "why": SCOPE, "municipality": "2281"}
    index = (await database.vault.index("2281", party)).hex()
    assert [entry["subject"] for entry in told] == [
        {"operation": "getConversationHistory", **common, "party": index},
        {"operation": "getMessage", **common, "messageId": message},
        {"operation": "getMessage", **common},
    ]
    who = {(entry["client"], entry["origin"], entry["issuer"], entry["address"]) for entry in told}
    assert who == {("skolappen", "Skolappen", "joe01doe", "127.0.0.1")}
    assert all(entry["request_id"] for entry in told)
    assert party not in repr(told)
    assert await refused(database, "2262") == [], (
        "it is their client too, but the call was not for them"
    )


async def test_a_denied_call_names_the_person_of_its_path_whatever_the_query_says(
    client: Client, database: Database
) -> None:
    bygg = await known_as(client, database, "bygg", allowed=["sms:send"])
    victim, other = uuid4(), uuid4()
    query = f"partyId={other}&personId={other}"
    for method, path in (
        ("DELETE", f"/2281/parties/{victim}?{query}"),
        ("GET", f"/2281/parties/{str(victim).upper()}?{query}"),
        ("GET", f"/2281/conversation-history/{victim}?{query}"),
        ("GET", f"/2281/settings?partyId={victim}"),
    ):
        assert (await bygg.call(method, path)).status == 403
    assert (await bygg.get(f"/2281/statistics?{query}")).status == 403
    *named, last = [entry["subject"] for entry in await refused(database)]
    index = (await database.vault.index("2281", str(victim))).hex()
    assert [subject.get("party") for subject in named] == [index] * 4
    assert "party" not in last


async def test_who_tries_another_municipality_is_told_in_both(
    client: Client, database: Database
) -> None:
    ange = await known_as(client, database, "ange", municipalities=["2260"])
    assert (await ange.post("/2281/sms", SMS)).status == 403
    assert (
        await ange.post("/sms", {"message": "Hej", "mobileNumber": "+46701740605"})
    ).status == 403
    for municipality in ("2281", "2260"):
        told = await refused(database, municipality)
        assert [(entry["client"], entry["subject"]) for entry in told] == [
            (
                "ange",
                {
                    "operation": "sendSms",
                    "refused": "other-municipality",
                    "why": OTHER,
                    "municipality": "2281",
                },
            )
        ] * 2
    assert await refused(database, "2262") == []
    narrow = await known_as(
        client, database, "narrow", municipalities=["2260"], allowed=["sms:send"]
    )
    assert (await narrow.get(f"/1234/messages/{uuid4()}")).status == 403
    assert [entry["client"] for entry in await refused(database, "2260")] == [
        "ange",
        "ange",
        "narrow",
    ], "one that is not served has no trail"
    assert (
        await database.pool.fetchval(
            "SELECT count(*) FROM audit_entries WHERE municipality_id = '1234'"
        )
        == 0
    )


async def test_calls_without_a_token_are_told_once_and_then_counted(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path) as client:
        for _ in range(4):
            assert (await client.get(f"/2281/messages/{uuid4()}", Authorization="")).status == 401
        assert (await client.get("/2281/events", Authorization="")).status == 401
        assert (await client.get("/2281/events", Authorization="Bearer abc")).status == 401
        told = await refused(database)
        first = {
            "operation": "getMessage",
            "refused": "unauthorized",
            "why": "no access token",
            "municipality": "2281",
        }
        assert [entry["subject"] for entry in told] == [
            first,
            {**first, "operation": "getEvents", "why": "the token is not a signed JWT"},
        ]
    [*_, counted] = told = await refused(database)
    del first["operation"]
    assert len(told) == 3
    assert counted["subject"] == {**first, "operations": ["getEvents", "getMessage"], "times": 4}
    assert (counted["client"], counted["address"], counted["request_id"]) == (
        None,
        "127.0.0.1",
        None,
    )


async def test_a_clients_flood_is_told_as_a_few_and_a_number(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path) as client:
        alone = await known_as(client, database, "alone", allowed=["status:read"])
        answers = await asyncio.gather(*(alone.post("/2281/sms", SMS) for _ in range(50)))
        assert {answer.status for answer in answers} == {403}
        assert len(await refused(database)) == 20
    assert [entry["subject"].get("times", 1) for entry in await refused(database)] == [1] * 20 + [
        30
    ]


async def test_names_that_are_too_long_change_no_answer(client: Client, database: Database) -> None:
    assert (await client.get("/2281/events", Authorization="", x_origin="x" * 300)).status == 401
    [entry] = await refused(database)
    assert (entry["origin"], entry["address"]) == (None, "127.0.0.1")


async def test_where_it_cannot_be_traced_the_answer_is_the_same_and_the_log_says_so(
    client: Client, database: Database
) -> None:
    alone = await known_as(client, database, "alone", allowed=["status:read"])
    await database.pool.execute("ALTER TABLE audit_entries RENAME TO away")
    try:
        with structlog.testing.capture_logs() as events:
            assert (await alone.post("/2281/sms", SMS)).json["code"] == "insufficient-scope"
    finally:
        await database.pool.execute("ALTER TABLE away RENAME TO audit_entries")
    [event] = [event for event in events if event["event"] == "refusal-untraced"]
    assert (event["trail"], event["operation"], event["refused"]) == (
        "2281",
        "sendSms",
        "insufficient-scope",
    )


@pytest.mark.parametrize("status", [401, 403])
async def test_a_database_that_does_not_answer_holds_nobody_up(
    client: Client, database: Database, status: int
) -> None:
    alone = await known_as(client, database, "alone", allowed=["status:read"])
    shown = {"Authorization": ""} if status == 401 else {}
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE audit_entries IN ACCESS EXCLUSIVE MODE")
        begun = monotonic()
        answers = await asyncio.gather(*(alone.post("/2281/sms", SMS, **shown) for _ in range(10)))
        assert {answer.status for answer in answers} == {status}
        assert monotonic() - begun < 8  # and not until the lock is given up
    for _ in range(100):
        if found := await refused(database):
            break
        await asyncio.sleep(0.05)
    assert found, "it is told as soon as it can be"


async def test_who_shows_wrong_credentials_for_a_client_is_told_to_all_its_municipalities(
    client: Client, database: Database
) -> None:
    await tokens.client_of(
        database, "skolappen", allowed=["sms:send"], municipalities=["2281", "2262"]
    )
    for name in ("skolappen", "nobody"):
        form = {
            "grant_type": "client_credentials",
            "client_id": name,
            "client_secret": "ucs_guessed",
        }
        async with client._session.post(
            f"{client.running.api_url}/oauth2/token", data=form
        ) as answer:
            assert answer.status == 401
    deadline = monotonic() + 5
    while not await refused(database, "2262"):
        assert monotonic() < deadline
        await asyncio.sleep(0.02)
    for municipality in ("2281", "2262"):
        [entry] = await refused(database, municipality)
        assert (entry["client"], entry["address"]) == ("skolappen", "127.0.0.1")
        assert entry["subject"] == {
            "operation": "token",
            "refused": "unauthorized",
            "why": "wrong credentials were shown for this client",
        }
    assert "guessed" not in repr(await refused(database))
    assert await refused(database, "2260") == []
