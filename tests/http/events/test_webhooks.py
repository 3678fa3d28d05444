"""Webhooks: subscribed over the API, called by the worker, verified by a receiver with the Standard
Webhooks library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from tests.http import event_rows as events
from tests.http import tokens
from tests.http.conftest import Client, serving
from tests.http.event_rows import happens
from tests.http.receiver import Receiver, receiving
from utskick.store.database import Database

#: Sent by the client whose token the fixture has.
delivery = partial(events.delivery, client="everything")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


async def subscribe(client: Client, receiver: Receiver, origin: str = "Byggr", **more: Any) -> str:
    answer = await client.post("/2281/webhooks", {"url": receiver.url, **more}, x_origin=origin)
    assert answer.status == 201, answer.text
    receiver.secrets.append(answer.json["secret"])
    return str(answer.json["id"])


async def state(client: Client, webhook: str, origin: str = "Byggr") -> Any:
    answer = await client.get(f"/2281/webhooks/{webhook}", x_origin=origin)
    assert answer.status == 200, answer.text
    return answer.json


async def test_a_calling_system_is_told_what_becomes_of_its_messages(
    client: Client, receiver: Receiver
) -> None:
    made = await subscribe(client, receiver)
    for origin in ("Ecos", "Byggr"):
        sent = await client.post(
            "/2281/sms", {"mobileNumber": "+46701740605", "message": "Hej"}, x_origin=origin
        )
        assert sent.status == 201, sent.text
    told = await receiver.until(2)
    feed = (await client.get("/2281/events?origin=Byggr")).json["events"]
    assert told == feed[: len(told)]
    assert {event["deliveryId"] for event in told} == {sent.json["deliveries"][0]["deliveryId"]}
    assert [event["lifecycle"] for event in told] == ["sent", "delivered"]
    assert (receiver.calls[0]["type"], receiver.calls[0]["data"]["municipalityId"]) == (
        "delivery.events",
        "2281",
    )
    assert receiver.calls[0]["timestamp"].endswith("Z")
    assert b"+46701740605" not in b"".join(body for body, _ in receiver.raw)
    await asyncio.sleep(0.3)
    found = await state(client, made)
    assert (found["state"], found["waiting"], "lastSuccess" in found, "lastFault" in found) == (
        "enabled",
        0,
        True,
        False,
    )


async def test_what_was_before_the_subscription_is_not_told(
    client: Client, receiver: Receiver, database: Database
) -> None:
    one = await delivery(database, origin="Byggr")
    await happens(database.pool, one, "uncertain")
    await client.until("/2281/events", lambda page: len(page["events"]) == 1)
    await subscribe(client, receiver)
    await happens(database.pool, one, "sent")
    assert [event["lifecycle"] for event in await receiver.until(1)] == ["sent"]


async def test_only_the_statuses_that_were_asked_for_are_told(
    client: Client, receiver: Receiver, database: Database
) -> None:
    await subscribe(client, receiver, statuses=["failed", "delivered"])
    one = await delivery(database, origin="Byggr")
    for status in ("uncertain", "sent", "delivered", "failed"):
        await happens(database.pool, one, status)
    assert [event["lifecycle"] for event in await receiver.until(2)] == ["delivered", "failed"]


async def test_nothing_of_another_origin_or_municipality_is_told_or_shown(
    client: Client, receiver: Receiver, database: Database
) -> None:
    made = await subscribe(client, receiver)
    for municipality, origin in (
        ("2262", "Byggr"),
        ("2281", "byggr"),
        ("2281", None),
        ("2281", "Byggr"),
    ):
        await happens(
            database.pool,
            await delivery(database, municipality, origin=origin),
            municipality=municipality,
        )
    assert len(await receiver.until(1)) == 1
    await asyncio.sleep(0.3)
    assert [event["origin"] for event in receiver.events] == ["Byggr"]
    for path, origin in ((f"/2281/webhooks/{made}", "Ecos"), (f"/2262/webhooks/{made}", "Byggr")):
        for method, end in (
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/enable"),
            ("POST", "/rotate"),
            ("POST", "/ping"),
        ):
            answer = await client.call(method, path + end, x_origin=origin)
            assert (answer.status, answer.json["detail"]) == (
                404,
                f"No webhook found for id {made}",
            )
    assert (await client.get("/2281/webhooks", x_origin="Ecos")).json == []
    assert [each["id"] for each in (await client.get("/2281/webhooks", x_origin="Byggr")).json] == [
        made
    ]


async def test_another_client_under_the_same_name_sees_changes_and_is_told_nothing(
    client: Client, receiver: Receiver, database: Database
) -> None:
    await tokens.client_of(database, "other")
    other = Client(
        client.running,
        client._session,
        await tokens.fetched(client._session, client.running.api_url, "other"),
    )
    made = await subscribe(client, receiver)
    for method, end in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/enable"),
        ("POST", "/rotate"),
        ("POST", "/ping"),
    ):
        answer = await other.call(method, f"/2281/webhooks/{made}{end}", x_origin="Byggr")
        assert (answer.status, answer.json["detail"]) == (404, f"No webhook found for id {made}")
    assert (await other.get("/2281/webhooks", x_origin="Byggr")).json == []
    async with receiving() as theirs:
        await subscribe(other, theirs)
        sms = {"mobileNumber": "+46701740605", "message": "Hej"}
        batch = {
            "message": "Hej",
            "parties": [{"mobileNumber": "+46701740605"}, {"mobileNumber": "+46701740606"}],
        }
        ours = await client.post("/2281/sms", sms, x_origin="Byggr")
        many = await client.post("/2281/sms/batch", batch, x_origin="Byggr")
        other_s = await other.post("/2281/sms", sms, x_origin="Byggr")
        await happens(
            database.pool, await events.delivery(database, origin="Byggr")
        )  # from before there were tokens
        await asyncio.gather(receiver.until(6), theirs.until(2))
        await asyncio.sleep(0.3)
        assert {event["messageId"] for event in theirs.events} == {other_s.json["messageId"]}
        assert {event["messageId"] for event in receiver.events} == {
            ours.json["messageId"],
            *(message["messageId"] for message in many.json["messages"]),
        }
    assert (await state(client, made))["waiting"] == 0
    assert [each["id"] for each in (await client.get("/2281/webhooks", x_origin="Byggr")).json] == [
        made
    ]


async def test_where_nobody_is_asked_for_a_token_the_name_alone_counts(
    database: Database, tmp_path: Path, receiver: Receiver
) -> None:
    async with serving(database, tmp_path, auth={"mode": "off"}) as client:
        made = await subscribe(client, receiver)
        sent = await client.post(
            "/2281/sms", {"mobileNumber": "+46701740605", "message": "Hej"}, x_origin="Byggr"
        )
        await receiver.until(2)
        assert {event["messageId"] for event in receiver.events} == {sent.json["messageId"]}
    async with serving(database, tmp_path) as client:
        answer = await client.get(f"/2281/webhooks/{made}", x_origin="Byggr")
        assert answer.status == 404, "it is of no client"
        await client.post(
            "/2281/sms", {"mobileNumber": "+46701740605", "message": "Hej"}, x_origin="Byggr"
        )
        await asyncio.sleep(0.5)
        assert len(receiver.events) == 2, "and is told nothing of a client's"


async def test_many_events_are_few_calls_in_their_order(
    client: Client, receiver: Receiver, database: Database
) -> None:
    await subscribe(client, receiver)
    one = await delivery(database, origin="Byggr")
    insert = "INSERT INTO events (municipality_id, delivery_id, status, at) SELECT '2281', $1, 'sent', now() FROM generate_series(1, 450)"
    await database.pool.execute(insert, one)
    told = await receiver.until(450)
    assert [len(call["data"]["events"]) for call in receiver.calls] == [100, 100, 100, 100, 50]
    assert told == (await client.get("/2281/events?limit=1000")).json["events"]
    assert receiver.most_at_once == 1


async def test_a_secret_is_shown_once_and_nowhere_else(
    client: Client, receiver: Receiver, database: Database
) -> None:
    made = await subscribe(client, receiver, description="Byggnadslov")
    [secret] = receiver.secrets
    found = await state(client, made)
    assert (found["url"], found["description"]) == (receiver.url, "Byggnadslov")
    assert "secret" not in found
    rows = await database.pool.fetch("SELECT url, secret FROM webhooks")
    assert secret.encode() not in rows[0]["secret"]
    assert receiver.url.encode() not in rows[0]["url"]


async def test_after_a_rotation_both_secrets_sign(
    client: Client, receiver: Receiver, database: Database
) -> None:
    made = await subscribe(client, receiver)
    answer = await client.post(f"/2281/webhooks/{made}/rotate", x_origin="Byggr")
    assert answer.status == 200
    assert answer.json["secret"] != receiver.secrets[0]
    await happens(database.pool, await delivery(database, origin="Byggr"))
    await receiver.until(1)
    for secret in (receiver.secrets[0], answer.json["secret"]):
        Webhook(secret).verify(*receiver.raw[0])


async def test_a_ping_tells_what_came_back(client: Client, receiver: Receiver) -> None:
    made = await subscribe(client, receiver)
    receiver.answers = [204, 503, (302, {"Location": "http://127.0.0.1:1/"})]
    answers = [
        (await client.post(f"/2281/webhooks/{made}/ping", x_origin="Byggr")).json for _ in range(3)
    ]
    assert answers == [
        {"delivered": True, "status": 204},
        {
            "delivered": False,
            "status": 503,
            "reason": {"code": "http-503", "message": "the receiver answered 503"},
        },
        {
            "delivered": False,
            "status": 302,
            "reason": {
                "code": "redirect",
                "message": "the receiver answered 302; redirects are not followed",
            },
        },
    ]
    assert receiver.calls[0]["type"] == "ping"
    assert receiver.calls[0]["data"] == {"municipalityId": "2281", "webhookId": made}
    gone = await client.post("/2281/webhooks", {"url": "http://127.0.0.1:9/"}, x_origin="Byggr")
    answer = await client.post(f"/2281/webhooks/{gone.json['id']}/ping", x_origin="Byggr")
    assert answer.json == {
        "delivered": False,
        "reason": {"code": "unreachable", "message": "the receiver could not be reached"},
    }


async def test_there_are_at_most_twenty_of_one_calling_system(
    client: Client, receiver: Receiver
) -> None:
    body = {"url": receiver.url}
    answers = await asyncio.gather(
        *(client.post("/2281/webhooks", body, x_origin="Byggr") for _ in range(22))
    )
    assert sorted(answer.status for answer in answers) == [201] * 20 + [409] * 2
    assert (await client.post("/2281/webhooks", body, x_origin="Ecos")).status == 201
    assert (await client.post("/2262/webhooks", body, x_origin="Byggr")).status == 201
    [first, *_] = [answer for answer in answers if answer.status == 201]
    assert (await client.call("DELETE", first.headers["Location"], x_origin="Byggr")).status == 204
    assert (await client.post("/2281/webhooks", body, x_origin="Byggr")).status == 201


_ONE_OF = "must be one of queued, sent, delivered, failed, uncertain, deferred, expired, cancelled, gathered"


_ELSEWHERE = "must not resolve to an address that may not be called from here: a sandbox calls only this machine and webhooks.networks"
_WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({}, [("url", "must not be blank")]),
    ({"url": " "}, [("url", "must not be blank")]),
    ({"url": "http://8.8.8.8/"}, [("url", _ELSEWHERE)]),
    ({"url": "ftp://hooks.example.se/"}, [("url", "must be an https address")]),
    ({"url": "https://8.8.8.8/"}, [("url", _ELSEWHERE)]),
    ({"url": "https://10.0.0.1/"}, [("url", _ELSEWHERE)]),
    ({"url": "https://[::ffff:a00:1]/"}, [("url", _ELSEWHERE)]),
    (
        {"url": "https://167772161/"},
        [("url", "must name its host by a domain name, or by an IP address in standard notation")],
    ),
    ({"url": "https://a:b@8.8.8.8/"}, [("url", "must not contain a user name or a password")]),
    ({"url": "https://finns-inte.invalid/"}, [("url", "must name a host that can be resolved")]),
    ({"url": "https://8.8.8.8/", "statuses": []}, [("statuses", "must not be empty")]),
    (
        {"url": "https://8.8.8.8/", "statuses": ["sent", "SENT", "routed"]},
        [("statuses[1]", _ONE_OF), ("statuses[2]", _ONE_OF)],
    ),
    (
        {"url": "https://8.8.8.8/", "description": "x" * 256},
        [("description", "size must be between 0 and 255")],
    ),
]


async def test_a_wrong_subscription_is_told_why(client: Client) -> None:
    for body, violations in _WRONG:
        answer = await client.post("/2281/webhooks", body, x_origin="Byggr")
        assert answer.status == 400, answer.text
        assert [(v["field"], v["message"]) for v in answer.json["violations"]] == violations
    assert (await client.get("/2281/webhooks", x_origin="Byggr")).json == []


async def test_a_sandbox_calls_nobody_elsewhere_whom_its_database_brings_along(
    database: Database, tmp_path: Path
) -> None:
    """Such as a copy of the real one, whose receivers would take what they hear for true."""
    account = {
        "provider": "46elks",
        "url": "http://127.0.0.1:9/a1",
        "username": "u",
        "password": "p",
    }
    async with serving(
        database, tmp_path, sandbox={"enabled": False}, sms={"accounts": {"a": account}}
    ) as real:
        made = await real.post("/2281/webhooks", {"url": "https://8.8.8.8/hook"}, x_origin="Byggr")
        assert made.status == 201
    async with serving(database, tmp_path) as client:
        pinged = await client.post(f"{made.headers['Location']}/ping", x_origin="Byggr")
        assert pinged.json["reason"]["code"] == "forbidden-address"
    async with serving(database, tmp_path, webhooks={"networks": ["8.8.0.0/16"]}) as client:
        assert (
            await client.post("/2281/webhooks", {"url": "https://8.8.8.8/other"}, x_origin="Byggr")
        ).status == 201


async def test_a_calling_system_must_say_who_it_is(client: Client) -> None:
    blank = {"field": "x-origin", "message": "must not be blank"}
    calls = [
        ("GET", "/2281/webhooks"),
        ("POST", f"/2281/webhooks/{uuid4()}/ping"),
        ("DELETE", f"/2281/webhooks/{uuid4()}"),
    ]
    for method, path in calls:
        assert (await client.call(method, path)).json["violations"] == [blank]
    answer = await client.get("/2281/webhooks", x_origin="x" * 256)
    assert answer.json["violations"] == [
        {"field": "x-origin", "message": "size must be between 0 and 255"}
    ]
    answer = await client.get("/1111/webhooks/1", x_origin=" ")
    assert answer.json["violations"] == [
        {"field": "getWebhook.municipalityId", "message": "not a valid municipality ID"},
        {"field": "getWebhook.id", "message": "not a valid UUID"},
        blank,
    ]


async def test_outside_the_sandbox_nothing_on_this_machine_is_called(
    database: Database, tmp_path: Path, receiver: Receiver
) -> None:
    gateway = {"provider": "46elks", "url": "http://127.0.0.1:9/", "username": "u", "password": "p"}
    closed = {"sandbox": {"enabled": False}, "sms": {"accounts": {"elks": gateway}}}
    async with serving(database, tmp_path, **closed) as client:
        answer = await client.post("/2281/webhooks", {"url": receiver.url}, x_origin="Byggr")
        assert answer.json["violations"] == [
            {"field": "url", "message": "must be an https address"}
        ]
    async with serving(
        database, tmp_path, **closed, webhooks={"networks": ["127.0.0.0/8"]}
    ) as client:
        await subscribe(client, receiver)
    async with serving(
        database, tmp_path, **closed
    ) as client:  # an address that was good once is looked at again before each call
        await happens(database.pool, await delivery(database, origin="Byggr"))
        [webhook] = (await client.get("/2281/webhooks", x_origin="Byggr")).json
        found = await _failed(client, webhook["id"])
        assert found["lastFault"]["reason"]["code"] == "forbidden-address"
    assert receiver.raw == []


async def _failed(client: Client, webhook: str) -> Any:
    async with asyncio.timeout(6):
        while "lastFault" not in (found := await state(client, webhook)):
            await asyncio.sleep(0.05)
    return found
