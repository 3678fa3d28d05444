"""GET /events: the ordered feed, and that who goes on from ``next`` misses nothing and sees nothing
twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from tests.channels.sms.smsc import ScriptedCentre, settings
from tests.http.conftest import Client
from tests.http.event_rows import delivery, happens
from tests.http.events.conftest import OK, written
from tests.store.test_migrations import fresh
from utskick import bootstrap
from utskick.bootstrap import channels as channel_setup
from utskick.domain.clock import utc_now
from utskick.domain.feed import OLDEST, Position, read_position
from utskick.domain.inbound import InboundPart
from utskick.domain.status import Status
from utskick.store import migrations
from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database
from utskick.store.events.feed import Feed, FeedQuery
from utskick.store.events.transaction_numbers import Numbering
from utskick.store.messages.inbound import InboundPlace, InboundRows
from utskick.store.messages.inbound_feed import InboundFeed


async def told(client: Client, count: int, path: str = "/2281/events") -> dict[str, Any]:
    """The page, when it has so many events: while the worker beside has a transaction open, they
    are not told yet."""
    found: dict[str, Any] = await client.until(path, lambda page: len(page["events"]) >= count)
    assert len(found["events"]) == count
    return found


async def test_what_becomes_of_a_message_is_told_in_order(client: Client) -> None:
    sent = await client.post(
        "/2281/sms",
        {"mobileNumber": "+46701740605", "message": "Hej", "reference": "mitt"},
        x_origin="Byggr",
    )
    assert sent.status == 201, sent.text
    await client.until(
        "/2281/events", lambda page: [e["lifecycle"] for e in page["events"]][-1:] == ["delivered"]
    )
    found = await told(client, 2)
    first, last = found["events"]
    assert found["more"] is False
    assert {
        name: first[name]
        for name in ("deliveryId", "messageId", "messageType", "originalMessageType", "status")
    } == {
        "deliveryId": sent.json["deliveries"][0]["deliveryId"],
        "messageId": sent.json["messageId"],
        "messageType": "SMS",
        "originalMessageType": "SMS",
        "status": "SENT",
    }
    assert (first["reference"], first["batchId"]) == ("mitt", sent.json["batchId"])
    assert datetime.fromisoformat(first["timestamp"]).tzinfo is None
    assert "+46701740605" not in str(found)
    assert "Hej" not in str(found)
    assert (await told(client, 0, f"/2281/events?after={last['position']}"))["more"] is False


async def test_the_short_form_is_the_default_municipality(
    client: Client, database: Database
) -> None:
    await happens(database.pool, await delivery(database))
    await happens(database.pool, await delivery(database, "2262"), municipality="2262")
    short, long, other = (
        await told(client, 1, "/events"),
        await told(client, 1),
        await told(client, 1, "/2262/events"),
    )
    assert short["events"] == long["events"]
    assert long["events"] != other["events"]


async def test_pages_hold_everything_once(client: Client, database: Database) -> None:
    one = await delivery(database)
    for _ in range(7):
        await happens(database.pool, one)
    whole = (await told(client, 7))["events"]
    gathered, after, pages = [], "0-0", 0
    while True:
        page = (await client.get(f"/2281/events?limit=3&after={after}")).json
        gathered += page["events"]
        after, pages = page["next"], pages + 1
        if not page["more"]:
            break
    assert (gathered, pages) == (whole, 3)
    assert len({event["position"] for event in whole}) == 7
    await happens(database.pool, one, "failed")
    assert [
        e["lifecycle"] for e in (await told(client, 1, f"/2281/events?after={after}"))["events"]
    ] == ["failed"]


async def test_a_transaction_that_commits_late_is_not_passed_over(
    client: Client, database: Database
) -> None:
    one, two = await delivery(database), await delivery(database)
    async with database.pool.acquire() as connection:
        late = connection.transaction()
        await late.start()
        await happens(connection, one, "uncertain")  # first in number, last to be committed
        await happens(database.pool, two, "sent")
        before = await told(client, 0)  # not told before what may still come in front of it
        await late.commit()
    after = await told(client, 2, f"/2281/events?after={before['next']}")
    assert [event["deliveryId"] for event in after["events"]] == [str(one), str(two)]


async def test_readers_beside_many_writers_see_all_once_and_in_one_order(
    database: Database,
) -> None:
    one = await delivery(database)
    feed, seen, after = Feed(database), list[Position](), OLDEST

    async def write(number: int) -> None:
        for _ in range(15):
            async with database.transaction() as connection:
                await happens(connection, one, provider_code=str(number))
                await asyncio.sleep(0.001 * (number % 3))

    writers = asyncio.gather(*(write(number) for number in range(5)))
    while not writers.done() or len(seen) < 75:
        page = await feed.page(FeedQuery("2281", after), 10)
        seen += [event.position for event in page.events]
        after = page.next
        await asyncio.sleep(0)
    assert seen == sorted(set(seen))
    assert len(seen) == 75


async def test_latest_is_from_now(client: Client, database: Database) -> None:
    one = await delivery(database)
    await happens(database.pool, one)
    await told(client, 1)
    latest = await told(client, 0, "/2281/events?after=latest")
    assert latest["more"] is False
    await happens(database.pool, one, "delivered")
    assert [
        e["lifecycle"]
        for e in (await told(client, 1, f"/2281/events?after={latest['next']}"))["events"]
    ] == ["delivered"]


async def test_a_reader_never_goes_back(client: Client, database: Database) -> None:
    """Not even one whose position is of a cluster that had counted further."""
    await happens(database.pool, await delivery(database))
    far = f"{2**60}-7"
    assert (await client.get(f"/2281/events?after={far}")).json == {
        "events": [],
        "next": far,
        "more": False,
    }


async def test_only_of_one_origin_where_it_is_named(client: Client, database: Database) -> None:
    for origin in ("Byggr", "Ecos", None, "byggr"):
        await happens(database.pool, await delivery(database, origin=origin))
    await told(client, 4)
    assert [
        event["origin"] for event in (await told(client, 1, "/2281/events?origin=Byggr"))["events"]
    ] == ["Byggr"]


async def test_what_a_client_did_not_ask_for_is_left_out(
    client: Client, database: Database
) -> None:
    await happens(database.pool, await delivery(database, kind="PRINT_BATCH"))
    one = await delivery(database, kind="MESSAGE")
    await happens(database.pool, one, "routed")
    await happens(
        database.pool,
        one,
        "uncertain",
        became="queued",
        reason_code="no-answer",
        reason="the request left",
        provider_code="7",
    )
    await happens(
        database.pool, one, "failed", reason_code="undeliverable-address", reason="no address"
    )
    await happens(database.pool, one, "failed", reason_code="declined-x", reason="no")
    found = (await told(client, 3))["events"]
    assert [(e["lifecycle"], e["status"], e["messageType"]) for e in found] == [
        ("queued", "PENDING", "SMS"),
        ("failed", "FAILED", "MESSAGE"),
        ("failed", "NOT_SENT", "SMS"),
    ]
    assert found[0]["reason"] == {
        "code": "no-answer",
        "message": "the request left",
        "providerCode": "7",
    }
    assert found[0]["reference"] == "ärende 1"


async def test_a_filter_that_matches_little_gets_on_with_empty_pages(database: Database) -> None:
    other, ours = await delivery(database, origin="B"), await delivery(database, origin="A")
    for _ in range(9):
        await happens(database.pool, other)
    await happens(database.pool, ours)
    feed = Feed(database, stride=4)
    pages, after = [], OLDEST
    while True:
        page = await feed.page(FeedQuery("2281", after, "A"), 5)
        pages.append((len(page.events), page.more))
        after = page.next
        if not page.more:
            break
    assert pages == [(0, True), (0, True), (1, False)]
    assert await feed.waiting(FeedQuery("2281", OLDEST, "B")) == (4, True)
    assert await Feed(database).waiting(FeedQuery("2281", OLDEST, statuses=(Status.SENT,))) == (
        10,
        False,
    )


_FOREIGN = [
    "",
    "x",
    "1",
    "1-",
    "-1-1",
    "1-1-1",
    "9223372036854775808-0",
    "1-99999999999999999999",
    "%D9%A1-1",
    "1-1%0A",
]


async def test_a_position_of_nobodys_is_a_violation(client: Client) -> None:
    for after in _FOREIGN:
        answer = await client.get(f"/2281/events?after={after}")
        assert (answer.status, answer.json["violations"]) == (
            400,
            [{"field": "getEvents.after", "message": "not a valid position"}],
        ), after


async def test_all_faults_are_told_at_once(client: Client) -> None:
    answer = await client.get("/1111/events?after=x&limit=1001&origin=%00")
    assert answer.json["violations"] == [
        {"field": "getEvents.municipalityId", "message": "not a valid municipality ID"},
        {"field": "getEvents.after", "message": "not a valid position"},
        {
            "field": "getEvents.limit",
            "message": "must be greater than or equal to 1 and less than or equal to 1000",
        },
        {"field": "getEvents.origin", "message": "must not contain the character NUL"},
    ]
    answer = await client.get("/2281/events?limit=many")
    assert (answer.status, answer.json["detail"]) == (
        400,
        "Failed to convert 'limit' with value: 'many'",
    )


def test_positions_are_read_as_they_are_written() -> None:
    for position in (OLDEST, Position(7, 1), Position(2**63 - 1, 2**63 - 1)):
        assert read_position(str(position)) == position


# -- after a restore ----------------------------------------


@pytest.fixture
async def restored(server: str) -> AsyncIterator[Database]:
    """A database whose events were numbered by a cluster that had counted far."""
    url = await fresh(server, "restored")
    await asyncio.to_thread(migrations.migrate, url)
    opened = Database(url, size=4, vault=Vault(Cipher([bytes(32)])))
    await opened.open()
    yield opened
    await opened.close()


async def test_after_a_restore_new_events_come_after_old_ones(restored: Database) -> None:
    one, two = await delivery(restored), await delivery(restored, "2262")
    far = await restored.pool.fetchval("SELECT utskick_tx()") + 10**9
    await happens(restored.pool, one, "sent", tx=far)
    await happens(restored.pool, two, "sent", "2262", tx=5)
    feed, numbering = Feed(restored), Numbering(restored)
    raised = await asyncio.gather(numbering.mend(), Numbering(restored).mend())
    assert sorted(by > 0 for by in raised) == [False, True]
    assert max(raised) > 2**32
    await happens(restored.pool, one, "delivered")
    page = await feed.page(FeedQuery("2281", OLDEST), 10)
    assert [(e.lifecycle, e.position.tx > far) for e in page.events] == [
        (Status.SENT, False),
        (Status.DELIVERED, True),
    ]
    assert await numbering.mend() == 0
    await restored.pool.execute(
        "INSERT INTO watermarks VALUES ('tallies', '2281', $1)", page.next.tx + 2**40
    )
    assert await numbering.mend() > 2**40


async def test_an_event_that_is_being_written_during_the_repair_gets_no_old_number_after_it(
    restored: Database,
) -> None:
    one = await delivery(restored)
    await happens(
        restored.pool, one, "sent", tx=await restored.pool.fetchval("SELECT utskick_tx()") + 10**9
    )
    async with restored.pool.acquire() as connection:
        open_one = connection.transaction()
        await open_one.start()
        await happens(connection, one, "uncertain")
        mending = asyncio.create_task(Numbering(restored).mend())
        await asyncio.sleep(0.1)
        assert not mending.done()
        beside = asyncio.create_task(
            happens(restored.pool, one, "failed")
        )  # waits behind the repair
        await asyncio.sleep(0.1)
        await open_one.commit()
    assert await mending > 0
    await beside
    page = await Feed(restored).page(FeedQuery("2281", OLDEST), 10)
    assert page.events[-1].lifecycle is Status.FAILED


async def test_after_a_restore_new_inbound_messages_come_after_old_ones(restored: Database) -> None:
    rows, place = InboundRows(restored), InboundPlace("2281", "SMS", "smpp")
    far = await restored.pool.fetchval("SELECT utskick_tx()") + 10**9

    async def write(text: str) -> None:
        await rows.keep(place, InboundPart("+46701740605", "71456", text), utc_now())

    await write("old")
    await restored.pool.execute("UPDATE inbound_messages SET tx = $1", far)
    async with restored.pool.acquire() as connection:
        open_one = connection.transaction()
        await open_one.start()
        await connection.execute("DELETE FROM inbound_messages WHERE recipient = ''")
        mending = asyncio.create_task(Numbering(restored).mend())
        await asyncio.sleep(0.1)
        assert not mending.done(), "it waits for what is being written under the old numbers"
        beside = asyncio.create_task(write("new"))
        await asyncio.sleep(0.1)
        assert not beside.done(), "which waits behind the repair"
        await open_one.commit()
    assert await mending > 0
    await beside
    page = await InboundFeed(restored).page("2281", OLDEST, 10)
    assert [(m.text, m.position.tx > far) for m in page.messages] == [("old", False), ("new", True)]
    await restored.pool.execute("DELETE FROM inbound_messages")
    assert await Numbering(restored).mend() == 0


async def test_what_a_session_brings_after_a_restore_comes_after_what_there_was(
    restored: Database, centre: ScriptedCentre
) -> None:
    rows, place = InboundRows(restored), InboundPlace("2281", "SMS", "smpp")
    await rows.keep(place, InboundPart("+46701740605", "71456", "old"), utc_now())
    await restored.pool.execute("UPDATE inbound_messages SET tx = tx + 1000000000")
    over = {"sandbox": {"enabled": False}, "sms": {"accounts": {"smpp": settings(centre.port)}}}
    async with channel_setup.opened(bootstrap.read_settings(None, over=over), restored, None):
        async with asyncio.timeout(8):
            while not centre.binds:
                await asyncio.sleep(0.01)
        assert await written(centre, b"new") == OK
    page = await InboundFeed(restored).page("2281", OLDEST, 10)
    assert [message.text for message in page.messages] == ["old", "new"]


async def test_numbers_that_are_in_order_are_left_alone(database: Database) -> None:
    assert await Numbering(database).mend() == 0
    await happens(database.pool, await delivery(database))
    assert await Numbering(database).mend() == 0


async def test_a_role_that_may_not_mend_says_so_and_goes_on(restored: Database) -> None:
    await happens(restored.pool, await delivery(restored), "sent", tx=2**50)
    await restored.pool.execute(
        "CREATE ROLE plain_worker; GRANT ALL ON ALL TABLES IN SCHEMA public TO plain_worker"
    )
    try:
        plain = Database(f"{restored.url}&role=plain_worker", size=4)
        await plain.open()
        assert await plain.pool.fetchval("SELECT current_user") == "plain_worker"
        assert await Numbering(plain).mend() == 0
        await plain.close()
    finally:
        await restored.pool.execute("DROP OWNED BY plain_worker; DROP ROLE plain_worker")
