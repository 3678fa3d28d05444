"""Idempotency-Key: the same key and body give the first answer again; nothing is sent twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.http import tokens
from tests.http.conftest import Client
from utskick.store.database import Database
from utskick.store.messages.idempotency import IdempotencyKeys

SMS = {"mobileNumber": "+46701740605", "message": "Skolan är stängd i dag."}


async def test_the_same_key_and_body_give_the_first_answer_again(client: Client) -> None:
    for path in ("/2281/sms", "/2281/sms?async=true"):
        first = await client.post(path, SMS, Idempotency_Key=f"nyckel {path}")
        again = await client.post(path, SMS, Idempotency_Key=f"nyckel {path}")
        assert (again.status, again.text) == (first.status, first.text)
        assert again.headers["Location"] == first.headers["Location"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers


async def test_another_body_under_the_same_key_is_refused(client: Client) -> None:
    await client.post("/2281/sms?async=true", SMS, Idempotency_Key="a")
    answer = await client.post(
        "/2281/sms?async=true", {**SMS, "message": "annat"}, Idempotency_Key="a"
    )
    assert answer.status == 422
    assert answer.json["code"] == "idempotency-key-reused"


async def test_two_at_once_make_one_message(client: Client, database: object) -> None:
    answers = await asyncio.gather(
        *(client.post("/2281/sms", SMS, Idempotency_Key="b") for _ in range(8))
    )
    assert {a.status for a in answers} <= {201, 409}
    assert any(a.status == 201 for a in answers)
    assert all(a.headers["Retry-After"] for a in answers if a.status == 409)
    assert len({a.json["messageId"] for a in answers if a.status == 201}) == 1
    assert await database.pool.fetchval("SELECT count(*) FROM messages") == 1  # type: ignore[attr-defined]


async def test_a_batch_with_a_key_is_replayed_byte_for_byte(client: Client) -> None:
    body = {"message": "Hej", "parties": [{"mobileNumber": f"+4670174060{i}"} for i in range(5, 9)]}
    first = await client.post("/2281/sms/batch", body, Idempotency_Key="c")
    again = await client.post("/2281/sms/batch", body, Idempotency_Key="c")
    assert again.text == first.text
    assert again.headers["Location"] == first.headers["Location"]


async def test_a_key_belongs_to_its_municipality(client: Client) -> None:
    first = await client.post("/2281/sms?async=true", SMS, Idempotency_Key="d")
    other = await client.post("/2260/sms?async=true", SMS, Idempotency_Key="d")
    assert other.status == 201
    assert other.json["messageId"] != first.json["messageId"]


async def other_client(client: Client, database: Database) -> Client:
    await tokens.client_of(database, "other")
    token = await tokens.fetched(client._session, client.running.api_url, "other")
    return Client(client.running, client._session, token)


async def test_a_key_belongs_to_its_client(client: Client, database: Database) -> None:
    """Neither keeps the other from a key, nor learns what was answered."""
    other = await other_client(client, database)
    first = await client.post("/2281/sms?async=true", SMS, Idempotency_Key="d")
    same = await other.post("/2281/sms?async=true", SMS, Idempotency_Key="d")
    assert (same.status, "Idempotency-Replayed" in same.headers) == (201, False)
    assert same.json["messageId"] != first.json["messageId"]
    changed = {**SMS, "message": "en annan"}
    for each, answer in ((client, first), (other, same)):
        again = await each.post("/2281/sms?async=true", SMS, Idempotency_Key="d")
        assert again.text == answer.text
        assert (await each.post("/2281/sms?async=true", changed, Idempotency_Key="d")).status == 422


async def test_a_key_from_before_keys_belonged_to_clients_still_holds(
    client: Client, database: Database
) -> None:
    """A request that is repeated after the upgrade is not sent twice; another one is its own."""
    other = await other_client(client, database)
    first = await client.post("/2281/sms?async=true", SMS, Idempotency_Key="d")
    await database.pool.execute("UPDATE idempotency_keys SET client = ''")
    again = await client.post("/2281/sms?async=true", SMS, Idempotency_Key="d")
    assert (again.text, again.headers["Idempotency-Replayed"]) == (first.text, "true")
    changed = {**SMS, "message": "en annan"}
    answer = await other.post("/2281/sms?async=true", changed, Idempotency_Key="d")
    assert answer.status == 201
    await database.pool.execute("UPDATE idempotency_keys SET answer = NULL WHERE client = ''")
    repeated = await client.post("/2281/sms?async=true", SMS, Idempotency_Key="d")
    assert repeated.json["messageId"] == first.json["messageId"], "accepted and never answered"
    stored = await database.pool.fetchval(
        "SELECT answer IS NOT NULL FROM idempotency_keys WHERE client = 'other'"
    )
    assert stored


async def test_a_key_is_kept_for_24_hours(client: Client, database: Database) -> None:
    path, keys = "/2281/sms?async=true", IdempotencyKeys(database)
    first = await client.post(path, SMS, Idempotency_Key="k")

    async def aged(text: str) -> None:
        await database.pool.execute(
            "UPDATE idempotency_keys SET created_at = created_at - $1::text::interval", text
        )

    await aged("23:59")
    assert await keys.forget(database.clock()) == 0
    again = await client.post(path, SMS, Idempotency_Key="k")
    assert (again.text, again.headers["Idempotency-Replayed"]) == (first.text, "true")
    await aged("00:02")  # 24:01 hours old
    new = await client.post(path, SMS, Idempotency_Key="k")
    assert new.json["messageId"] != first.json["messageId"]
    assert "Idempotency-Replayed" not in new.headers
    await aged("24:01")
    young = await client.post(path, SMS, Idempotency_Key="young")
    assert await keys.forget(database.clock()) == 1, "the old one alone"
    again = await client.post(path, SMS, Idempotency_Key="young")
    assert again.text == young.text


async def test_a_failure_is_replayed_too(client: Client) -> None:
    body = {"emailAddress": "anna+refuse@example.se", "subject": "a", "message": "b"}
    first = await client.post("/2281/email", body, Idempotency_Key="e")
    again = await client.post("/2281/email", body, Idempotency_Key="e")
    assert first.status == again.status == 502
    assert first.json == again.json


async def test_a_key_that_is_too_long_is_refused(client: Client) -> None:
    answer = await client.post("/2281/sms", SMS, Idempotency_Key="x" * 256)
    assert answer.status == 400
    assert answer.json["violations"][0]["field"] == "Idempotency-Key"


async def test_a_request_that_is_repeated_after_its_time_is_answered_as_the_first_time(
    client: Client,
) -> None:
    body = {**SMS, "validUntil": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()}
    first = await client.post("/2281/sms", body, Idempotency_Key="soon-over")
    await asyncio.sleep(1.1)
    again = await client.post("/2281/sms", body, Idempotency_Key="soon-over")
    assert (again.status, again.headers.get("Idempotency-Replayed"), again.json) == (
        201,
        "true",
        first.json,
    )
    late = await client.post("/2281/sms", body, Idempotency_Key="too-late")
    assert late.json["violations"] == [
        {"field": "validUntil", "message": "must be after the time of sending"}
    ]
    assert (
        await client.post("/2281/sms", SMS, Idempotency_Key="too-late")
    ).status == 201  # what was refused has not used the key up


async def test_a_key_holds_for_a_day_and_is_forgotten_after_it(
    client: Client, database: Database
) -> None:
    """At 23:59 h it is known, at 24:01 h it is free; what is removed is what is free."""
    keys = IdempotencyKeys(database)
    for minutes, replayed in ((23 * 60 + 59, "true"), (24 * 60 + 1, None)):
        name = f"after-{minutes}"
        first = await client.post("/2281/sms", SMS, Idempotency_Key=name)
        await database.pool.execute(
            "UPDATE idempotency_keys SET created_at = created_at - $2::interval WHERE key = $1",
            name,
            timedelta(minutes=minutes),
        )
        if replayed:
            assert await keys.forget(datetime.now(UTC)) == 0
        again = await client.post("/2281/sms", SMS, Idempotency_Key=name)
        assert again.headers.get("Idempotency-Replayed") == replayed
        assert (again.json["messageId"] == first.json["messageId"]) == bool(replayed)
    await database.pool.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 minute'"
        " WHERE key <> 'after-1439'"
    )
    assert await keys.forget(datetime.now(UTC)) == 1
