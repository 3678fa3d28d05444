"""GET /inbound-messages: what citizens write over SMPP is kept before it is answered, put together,
and told once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.channels.sms.smsc import ScriptedCentre, settings, until
from tests.http.conftest import Client, serving
from tests.http.events.conftest import OK, UDH, written
from utskick.domain.clock import utc_now
from utskick.domain.feed import OLDEST
from utskick.domain.inbound import InboundPart
from utskick.domain.month import month_of
from utskick.domain.retention import RetentionRule
from utskick.engine.retention import RetentionRound
from utskick.store.administration.audit import Audit
from utskick.store.database import Database
from utskick.store.messages.inbound import PATIENCE, InboundPlace, InboundRows
from utskick.store.messages.inbound_feed import InboundFeed
from utskick.store.retention.key_destruction import KeyDestruction

COME_AGAIN, UCS2 = 0x64, 8
FROM, TO = "+46701740605", "71456"
PATH = "/2281/inbound-messages"
PLACE = InboundPlace("2281", "SMS", "smpp")


@pytest.fixture
async def client(
    database: Database, tmp_path: Path, centre: ScriptedCentre
) -> AsyncIterator[Client]:
    """The service, with one account at the centre."""
    sms = {"segment_limit": 10, "accounts": {"smpp": settings(centre.port)}}
    async with serving(database, tmp_path, sms=sms) as client:
        await until(lambda: centre.binds == 1)
        yield client


async def told(client: Client, count: int, path: str = PATH) -> list[dict[str, Any]]:
    """The page, when it has so many messages: the worker beside may have a transaction open."""
    page: dict[str, Any] = await client.until(path, lambda page: len(page["messages"]) >= count)
    assert len(page["messages"]) == count
    return list(page["messages"])


async def test_a_reply_is_on_disk_when_it_is_answered_and_told_once(
    client: Client, centre: ScriptedCentre, database: Database
) -> None:
    assert await written(centre, "Hej å ä ö".encode("utf-16-be"), data_coding=UCS2) == OK
    assert await database.pool.fetchval("SELECT count(*) FROM inbound_messages") == 1
    [message] = await told(client, 1)
    assert message.pop("id")
    assert datetime.fromisoformat(message.pop("receivedAt")).tzinfo is None
    assert message == {
        "sender": FROM,
        "recipient": "Utskick",
        "text": "Hej å ä ö",
        "stop": False,
        "missingParts": 0,
        "account": "smpp",
    }
    behind = (await client.get(PATH)).json["next"]
    assert await written(centre, b" stopp ") == OK
    [stop] = await told(client, 1, f"{PATH}?after={behind}")
    assert (stop["text"], stop["stop"]) == (" stopp ", True)
    first = (await client.get(f"{PATH}?limit=1")).json
    assert (first["more"], len(first["messages"])) == (True, 1)
    assert [m["text"] for m in await told(client, 1, f"{PATH}?after={first['next']}")] == [
        " stopp "
    ]
    assert (await client.get("/2260/inbound-messages")).json["messages"] == []


async def test_parts_that_come_out_of_order_are_one_message(
    client: Client, centre: ScriptedCentre, database: Database
) -> None:
    for number, text in ((3, b"tre"), (1, b"ett "), (1, b"ett "), (2, b"tva ")):
        octets = bytes((5, 0, 3, 7, 3, number)) + text
        assert await written(centre, octets, esm_class=UDH) == OK
    assert [(m["text"], m["missingParts"]) for m in await told(client, 1)] == [("ett tva tre", 0)]
    assert await database.pool.fetchval("SELECT count(*) FROM inbound_parts") == 0


async def test_what_cannot_be_stored_is_left_with_the_centre(
    client: Client, centre: ScriptedCentre, database: Database
) -> None:
    nothing = "ADD CONSTRAINT nothing CHECK (false) NOT VALID"
    await database.pool.execute(f"ALTER TABLE inbound_messages {nothing}")
    try:
        assert await written(centre, b"Ja") == COME_AGAIN
    finally:
        await database.pool.execute("ALTER TABLE inbound_messages DROP CONSTRAINT nothing")
    assert await written(centre, b"Ja") == OK
    assert [m["text"] for m in await told(client, 1)] == ["Ja"]


async def test_a_reply_to_a_units_own_account_is_its_municipalitys(
    database: Database, tmp_path: Path, centre: ScriptedCentre
) -> None:
    units = {"2260": {"sms": {"accounts": {"own": settings(centre.port)}}}}
    async with serving(database, tmp_path, configuration=units) as client:
        await until(lambda: centre.binds == 1)
        assert await written(centre, b"Ja") == OK
        [message] = await told(client, 1, "/2260/inbound-messages")
        assert (message["text"], message["account"]) == ("Ja", "own@2260")
        assert (await client.get(PATH)).json["messages"] == []


async def test_reading_is_recorded(client: Client, database: Database) -> None:
    assert (await client.get(PATH, X_Sent_By="anna01; type=adAccount")).status == 200
    [entry] = [e for e in await Audit(database).last("2281", 10) if e["action"] == "read-history"]
    assert (entry["issuer"], entry["subject"]["operation"]) == ("anna01", "getInboundMessages")


async def test_a_page_that_cannot_be_is_refused(client: Client) -> None:
    for query, field in (("after=x", "after"), ("limit=0", "limit"), ("limit=1001", "limit")):
        refused = await client.get(f"{PATH}?{query}")
        assert refused.status == 400
        assert f"getInboundMessages.{field}" in refused.text
    end = (await client.get(f"{PATH}?after=latest")).json
    assert (end["messages"], end["more"]) == ([], False)


async def test_an_erased_person_has_written_nothing_unless_a_rule_preserves_it(
    client: Client, database: Database
) -> None:
    rows, now, party = InboundRows(database), utc_now(), str(uuid4())
    sent = {"mobileNumber": FROM, "message": "Hej", "party": {"partyId": party}}
    assert (await client.post("/2281/sms?async=true", sent)).status == 201
    await rows.keep(PLACE, InboundPart(FROM, TO, "stopp"), now)
    await rows.keep(PLACE, InboundPart(FROM, TO, "ett", 7, 2, 1), now)
    await rows.keep(PLACE, InboundPart("+46701740606", TO, "en annan"), now)
    other = InboundPlace("2260", "SMS", "smpp")
    await rows.keep(other, InboundPart(FROM, TO, "annan kommun"), now)
    rule, order = "/2281/configuration/retention/SMS", f"/2281/parties/{party}"
    preserving = {"days": None, "preserve": True, "decision": "KS 1"}
    assert (await client.call("PUT", rule, preserving)).status < 300
    assert (await client.call("DELETE", order)).status == 200
    assert len(await texts(database)) == 3
    assert (await client.call("DELETE", rule)).status < 300
    await client.until(
        f"/2281/conversation-history/{party}", lambda found: found[0]["status"] == "SENT"
    )
    assert (await client.call("DELETE", order)).status == 200
    assert [m["text"] for m in await told(client, 1)] == ["en annan"]
    assert len(await texts(database)) == 2
    assert await database.pool.fetchval("SELECT count(*) FROM inbound_parts") == 0


async def texts(database: Database) -> list[tuple[int, bool]]:
    rows = await database.pool.fetch(
        "SELECT missing, stop FROM inbound_messages ORDER BY tx, number"
    )
    return [tuple(row) for row in rows]


async def test_a_message_that_never_becomes_whole_is_told_after_a_while(
    database: Database,
) -> None:
    rows, now = InboundRows(database), utc_now()
    await rows.keep(PLACE, InboundPart(FROM, TO, "stop", 7, 3, 2), now)
    await rows.complete(now + PATIENCE - timedelta(seconds=1))
    assert await texts(database) == []
    await rows.complete(now + PATIENCE + timedelta(seconds=1))
    assert await texts(database) == [(2, False)]


async def test_two_messages_with_one_reference_are_not_mixed(database: Database) -> None:
    rows, now = InboundRows(database), utc_now()
    await rows.keep(PLACE, InboundPart(FROM, TO, "ett", 7, 2, 1), now)
    await rows.keep(PLACE, InboundPart(FROM, TO, "annat", 7, 2, 1), now)
    assert await texts(database) == [(1, False)]
    await rows.keep(PLACE, InboundPart("+46701740606", TO, "nagon annans", 7, 2, 2), now)
    assert await texts(database) == [(1, False)]
    await rows.keep(PLACE, InboundPart(FROM, TO, "slut", 7, 2, 2), now)
    assert await texts(database) == [(1, False), (0, False)]


async def test_all_parts_on_disk_become_a_message_though_the_process_ended(
    database: Database,
) -> None:
    rows, now = InboundRows(database), utc_now()
    await rows.keep(PLACE, InboundPart(FROM, TO, "ett", 7, 3, 1), now)
    await rows.keep(PLACE, InboundPart(FROM, TO, "tva", 7, 3, 2), now)
    await database.pool.execute("UPDATE inbound_parts SET total = 2")
    await rows.complete(now)
    assert await texts(database) == [(0, False)]


async def test_it_is_removed_by_the_rule_of_its_type(database: Database) -> None:
    rows, now = InboundRows(database), utc_now()
    await rows.keep(PLACE, InboundPart(FROM, TO, "gammal"), now - timedelta(days=31))
    await rows.keep(PLACE, InboundPart(FROM, TO, "ny"), now - timedelta(days=29))
    other = RetentionRule("EMAIL", 1, "KS 2")
    await RetentionRound(database, [other, RetentionRule("SMS", None, "KS 3")], utc_now).round()
    assert len(await texts(database)) == 2
    removed = await RetentionRound(
        database, [other, RetentionRule("SMS", 30, "KS 1")], utc_now
    ).round()
    assert (removed.messages, len(await texts(database))) == (1, 1)
    assert await database.pool.fetchval("SELECT decision FROM retention_protocol") == "KS 1"


async def test_of_a_destroyed_month_number_and_text_are_gone(database: Database) -> None:
    then = datetime(2024, 5, 10, tzinfo=UTC)
    rows, feed = InboundRows(database), InboundFeed(database)
    await rows.keep(PLACE, InboundPart(FROM, TO, "hemligt"), then)
    await rows.keep(PLACE, InboundPart(FROM, TO, "hemligt", 7, 2, 1), then)
    [message] = (await feed.page("2281", OLDEST, 10)).messages
    assert (message.sender, message.text) == (FROM, "hemligt")
    assert await KeyDestruction(database, "2281", month_of(then)).carry_out(None, utc_now())
    await rows.complete(utc_now())
    [message] = (await feed.page("2281", OLDEST, 10)).messages
    assert (message.sender, message.text, message.recipient) == (None, None, TO)
    assert await database.pool.fetchval("SELECT count(*) FROM inbound_parts") == 0
