"""Webhooks of inbound messages: told over HTTP of what a message centre delivers over SMPP, without
number and text, which are fetched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.channels.sms.smsc import ScriptedCentre, settings, until
from tests.http import tokens
from tests.http.conftest import Client, serving
from tests.http.events.conftest import OK, UDH, written
from tests.http.receiver import Receiver, receiving
from utskick.domain.clock import utc_now
from utskick.domain.errors import SettingsFault
from utskick.domain.inbound import InboundPart
from utskick.domain.month import month_of
from utskick.domain.retention import RetentionRule
from utskick.engine.retention import RetentionRound
from utskick.store.administration.audit import Audit
from utskick.store.database import Database
from utskick.store.messages.inbound import InboundPlace, InboundRows
from utskick.store.retention.key_destruction import KeyDestruction

FROM, TO = "+46701740605", "71456"
PLACE = InboundPlace("2281", "SMS", "smpp")
#: Without the sandbox, which an account of our own ends, this machine must be allowed.
HERE = {"networks": ["127.0.0.0/8"]}


@pytest.fixture
async def client(
    database: Database, tmp_path: Path, centre: ScriptedCentre
) -> AsyncIterator[Client]:
    """The service, with one account at the centre."""
    sms = {"segment_limit": 10, "accounts": {"smpp": settings(centre.port)}}
    async with serving(database, tmp_path, sms=sms, webhooks=HERE) as client:
        await until(lambda: centre.binds == 1)
        yield client


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


async def subscribe(client: Client, receiver: Receiver, place: str = "2281", **more: Any) -> str:
    """Create a webhook of inbound messages, or of what ``more`` says. Its path."""
    body = {"url": receiver.url, "events": "inbound", **more}
    answer = await client.post(f"/{place}/webhooks", body, x_origin="Byggr")
    assert answer.status == 201, answer.text
    assert answer.json["events"] == body["events"]
    receiver.secrets.append(answer.json["secret"])
    return f"/{place}/webhooks/{answer.json['id']}"


async def state(client: Client, webhook: str, holds: Callable[[Any], bool]) -> Any:
    """The webhook's state, when it has come to this."""
    async with asyncio.timeout(8):
        while not holds(found := (await client.get(webhook, x_origin="Byggr")).json):
            await asyncio.sleep(0.05)
    return found


async def test_replies_are_told_in_order_without_number_and_text_which_are_fetched(
    client: Client, centre: ScriptedCentre, receiver: Receiver, database: Database
) -> None:
    assert await written(centre, b"Before") == OK
    await client.until("/2281/inbound-messages", lambda page: len(page["messages"]) == 1)
    webhook = await subscribe(client, receiver)
    for number in range(5):
        assert await written(centre, b"Hemligt %d" % number, destination_addr=TO) == OK
    assert await written(centre, b"stopp", destination_addr=TO) == OK
    told = await receiver.until(6)
    listed = (await client.get("/2281/inbound-messages")).json["messages"][1:]
    thin = ("id", "receivedAt", "recipient", "stop", "missingParts", "account")
    assert told == [{name: message[name] for name in thin} for message in listed]
    assert [message["stop"] for message in told] == [False] * 5 + [True]
    assert {call["type"] for call in receiver.calls} == {"inbound.messages"}
    assert {call["data"]["municipalityId"] for call in receiver.calls} == {"2281"}
    said = b"".join(body for body, _ in receiver.raw)
    assert b"Hemligt" not in said
    assert FROM[1:].encode() not in said
    path = f"/2281/inbound-messages/{told[3]['id']}"
    answer = await client.get(path, X_Sent_By="anna01; type=adAccount")
    assert answer.json == listed[3]
    assert (answer.json["text"], answer.json["sender"]) == ("Hemligt 3", FROM)
    [entry] = [e for e in await Audit(database).last("2281", 20) if e["issuer"] == "anna01"]
    assert (entry["action"], entry["subject"]) == (
        "read-history",
        {"operation": "getInboundMessage", "id": told[3]["id"]},
    )
    await state(client, webhook, lambda found: "lastSuccess" in found and not found["waiting"])


async def test_a_long_message_is_told_once_when_it_is_whole(
    client: Client, centre: ScriptedCentre, receiver: Receiver
) -> None:
    def part(number: int, text: bytes) -> bytes:
        return bytes((5, 0, 3, 7, 2, number)) + text

    assert await written(centre, part(1, b"ett "), esm_class=UDH) == OK
    await subscribe(client, receiver)
    assert await written(centre, b"kort") == OK
    assert await written(centre, part(2, b"tva"), esm_class=UDH) == OK
    ids = [message["id"] for message in await receiver.until(2)]
    texts = [(await client.get(f"/2281/inbound-messages/{each}")).json["text"] for each in ids]
    assert texts == ["kort", "ett tva"]


async def test_each_webhook_is_told_of_its_kind_and_its_municipality(
    client: Client, centre: ScriptedCentre, receiver: Receiver, database: Database
) -> None:
    await subscribe(client, receiver)
    async with receiving() as elsewhere, receiving() as of_deliveries:
        other = await subscribe(client, elsewhere, "2262")
        await subscribe(client, of_deliveries, events="deliveries")
        sms = {"mobileNumber": FROM, "message": "Hej"}
        assert (await client.post("/2281/sms?async=true", sms, x_origin="Byggr")).status == 201
        assert await written(centre, b"Ja") == OK
        place = InboundPlace("2262", "SMS", "smpp")
        await InboundRows(database).keep(place, InboundPart(FROM, TO, "Nej"), utc_now())
        [ours] = await receiver.until(1)
        [theirs] = await elsewhere.until(1)
        assert {event["lifecycle"] for event in await of_deliveries.until(1)} <= {"sent", "queued"}
        await state(client, other, lambda found: "lastSuccess" in found and not found["waiting"])
        assert (len(receiver.events), len(elsewhere.events)) == (1, 1)
        assert ours["id"] != theirs["id"]
        assert {call["type"] for call in of_deliveries.calls} == {"delivery.events"}
        for place_of, message in (("2262", ours), ("2281", theirs)):
            answer = await client.get(f"/{place_of}/inbound-messages/{message['id']}")
            assert (answer.status, answer.json["detail"]) == (
                404,
                f"No inbound message found for id {message['id']}",
            )


async def test_a_receiver_that_fails_holds_only_its_own(
    client: Client, centre: ScriptedCentre, receiver: Receiver
) -> None:
    async with receiving() as failing:
        failing.answers = [500] * 99
        held = await subscribe(client, failing)
        await subscribe(client, receiver)
        for _ in range(3):
            assert await written(centre, b"Ja") == OK
        assert len(await receiver.until(3)) == 3
        found = await state(
            client, held, lambda found: "lastFault" in found and found["waiting"] == 3
        )
        assert (found["lastFault"]["status"], found["events"]) == (500, "inbound")
        failing.answers = []
        answer = await client.post(f"{held}/enable", x_origin="Byggr")
        assert (answer.status, answer.json["events"]) == (200, "inbound")
        assert await failing.until(3) == receiver.events


async def test_the_account_of_a_unit_is_told_by_its_readable_name(
    database: Database, tmp_path: Path, centre: ScriptedCentre, receiver: Receiver
) -> None:
    units = {"2260": {"sms": {"accounts": {"own": settings(centre.port)}}}}
    async with serving(database, tmp_path, configuration=units, webhooks=HERE) as client:
        await until(lambda: centre.binds == 1)
        await subscribe(client, receiver, "2260")
        assert await written(centre, b"Ja") == OK
        [message] = await receiver.until(1)
        assert message["account"] == "own@2260"


async def test_what_is_asked_for_is_checked(client: Client, receiver: Receiver) -> None:
    wrong: list[tuple[dict[str, Any], str, str]] = [
        (
            {"events": "inbound", "statuses": ["sent"]},
            "statuses",
            "must be absent where events is inbound",
        ),
        ({"events": "replies"}, "events", "must be one of deliveries, inbound"),
    ]
    for members, field, message in wrong:
        body = {"url": receiver.url, **members}
        answer = await client.post("/2281/webhooks", body, x_origin="Byggr")
        assert answer.status == 400, answer.text
        assert answer.json["violations"] == [{"field": field, "message": message}]
    assert (await client.get("/2281/webhooks", x_origin="Byggr")).json == []
    await subscribe(client, receiver)
    await subscribe(client, receiver, events="deliveries", statuses=["sent"])
    plain = await client.post("/2281/webhooks", {"url": receiver.url}, x_origin="Byggr")
    assert plain.json["events"] == "deliveries"
    found = (await client.get("/2281/webhooks", x_origin="Byggr")).json
    assert [each["events"] for each in found] == ["inbound", "deliveries", "deliveries"]


async def test_it_takes_the_scope_of_inbound_messages(
    client: Client, receiver: Receiver, database: Database
) -> None:
    async def with_scopes(name: str, *scopes: str) -> Client:
        await tokens.client_of(database, name, allowed=scopes)
        session, url = client._session, client.running.api_url
        return Client(client.running, session, await tokens.fetched(session, url, name))

    narrow = await with_scopes("narrow", "webhooks:write")
    body = {"url": receiver.url, "events": "inbound"}
    answer = await narrow.post("/2281/webhooks", body, x_origin="Byggr")
    assert (answer.status, answer.json["code"]) == (403, "insufficient-scope")
    assert answer.json["detail"] == (
        "this call requires the scope inbound:read, which the token does not have"
    )
    assert 'scope="inbound:read"' in answer.headers["WWW-Authenticate"]
    assert await database.pool.fetchval("SELECT count(*) FROM webhooks") == 0
    entries = await Audit(database).last("2281", 10)
    [entry] = [e for e in entries if (e["client"], e["action"]) == ("narrow", "refused")]
    assert (entry["action"], entry["subject"]["operation"]) == ("refused", "createWebhook")
    await subscribe(narrow, receiver, events="deliveries")
    await subscribe(await with_scopes("wide", "webhooks:write", "inbound:read"), receiver)
    path = f"/2281/inbound-messages/{uuid4()}"
    assert (await narrow.get(path)).json["code"] == "insufficient-scope"


async def test_where_nobody_is_asked_for_a_token_no_scope_is_needed(
    database: Database, tmp_path: Path, receiver: Receiver
) -> None:
    async with serving(database, tmp_path, auth={"mode": "off"}) as client:
        await subscribe(client, receiver)
        await InboundRows(database).keep(PLACE, InboundPart(FROM, TO, "Ja"), utc_now())
        assert len(await receiver.until(1)) == 1


async def test_a_message_is_found_by_its_id_as_long_as_it_is_kept(
    client: Client, database: Database
) -> None:
    then = datetime(2013, 4, 10, tzinfo=UTC)
    await InboundRows(database).keep(PLACE, InboundPart(FROM, TO, "hemligt"), then)
    made = await database.pool.fetchval("SELECT id FROM inbound_messages")
    path = f"/2281/inbound-messages/{made}"
    assert await KeyDestruction(database, "2281", month_of(then)).carry_out(None, utc_now())
    found = (await client.get(path)).json
    assert (found["id"], found["recipient"]) == (str(made), TO)
    assert not {"sender", "text"} & found.keys()
    rule = RetentionRule("SMS", 30, "KS 1")
    assert (await RetentionRound(database, [rule], utc_now).round()).messages == 1
    for gone in (made, uuid4()):
        answer = await client.get(f"/2281/inbound-messages/{gone}")
        assert (answer.status, answer.json["detail"]) == (
            404,
            f"No inbound message found for id {gone}",
        )
    answer = await client.get("/2281/inbound-messages/1")
    assert answer.json["violations"] == [
        {"field": "getInboundMessage.id", "message": "not a valid UUID"}
    ]


async def test_municipalities_share_an_account_by_their_numbers(
    database: Database, tmp_path: Path, centre: ScriptedCentre, receiver: Receiver
) -> None:
    more = {
        "sms": {"accounts": {"smpp": settings(centre.port)}},
        "inbound": {"numbers": {TO: "2260", "+46731230000": "2262"}},
        "webhooks": HERE,
    }
    async with serving(database, tmp_path, **more) as client:
        await until(lambda: centre.binds == 1)
        await subscribe(client, receiver, "2260")
        for number in (TO, "+46731230000", "46731230000", "72000"):
            assert (
                await written(centre, b"till %s" % number.encode(), destination_addr=number) == OK
            )
        theirs = {"2260": [TO], "2262": ["+46731230000"], "2281": ["46731230000", "72000"]}
        for place, numbers in theirs.items():
            count = len(numbers)
            page = await client.until(
                f"/{place}/inbound-messages", lambda page, n=count: len(page["messages"]) == n
            )
            assert [message["recipient"] for message in page["messages"]] == numbers
        assert [message["recipient"] for message in await receiver.until(1)] == [TO]


async def test_a_units_own_account_is_its_own_whatever_the_number(
    database: Database, tmp_path: Path, centre: ScriptedCentre
) -> None:
    units = {"2260": {"sms": {"accounts": {"own": settings(centre.port)}}}}
    shared = {"numbers": {TO: "2262"}}
    async with serving(database, tmp_path, configuration=units, inbound=shared) as client:
        await until(lambda: centre.binds == 1)
        assert await written(centre, b"Ja", destination_addr=TO) == OK
        await client.until("/2260/inbound-messages", lambda page: len(page["messages"]) == 1)


async def test_a_number_of_a_municipality_that_is_not_served_is_refused_at_start(
    database: Database, tmp_path: Path
) -> None:
    with pytest.raises(
        SettingsFault, match=r"inbound\.numbers\.71456: 1111 is not among municipal"
    ):
        async with serving(database, tmp_path, inbound={"numbers": {TO: "1111"}}):
            raise AssertionError("it has started")
