"""Live progress of a batch: what its listeners are told, what it costs, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from tests.http.conftest import Client, serving
from utskick.domain.errors import NotFound, TooManyStreams, Unavailable
from utskick.domain.status import Status
from utskick.engine.batch_progress import (
    BatchWatcher,
    Progress,
    QueryInterval,
)
from utskick.http.messages.progress import Manner, Stream, _changes
from utskick.store.database import Database
from utskick.store.history.status import History

SWIFT = QueryInterval(pause=0.02, times=0, away=0.02)
Events = AsyncIterator[dict[str, Any]]


async def waiting_batch(client: Client, count: int = 3) -> str:
    """A batch that does not move of itself for a day."""
    parties = [{"mobileNumber": f"+4670001{n:04d}"} for n in range(count)]
    sent = await client.post(
        "/2281/sms/batch",
        {
            "message": "Hej",
            "parties": parties,
            "sendAt": (datetime.now() + timedelta(days=1)).isoformat(),
        },
    )
    assert sent.status == 201, sent.text
    return str(sent.json["batchId"])


async def move(database: Database, batch_id: str, status: str, count: int = 100) -> None:
    await database.pool.execute(
        "UPDATE deliveries SET status = $2 WHERE id IN (SELECT id FROM deliveries WHERE batch_id = $1 AND status <> $2 LIMIT $3)",
        UUID(batch_id),
        status,
        count,
    )


async def events(answer: aiohttp.ClientResponse) -> Events:
    """Fields of each event; a comment is one with that field alone."""
    fields: dict[str, Any] = {}
    async for raw in answer.content:
        name, _, value = raw.decode().rstrip("\r\n").partition(": ")
        if name:
            fields[name or "comment"] = json.loads(value) if name == "data" else value
        elif value:
            yield {"comment": value}
        elif fields:
            yield fields
            fields = {}


def listen(client: Client, path: str) -> Any:
    return client._session.get(client.running.api_url + path, headers=client.bearer)


async def test_a_listener_is_told_the_counts_at_once_whenever_they_change_and_when_all_has_settled(
    client: Client, database: Database
) -> None:
    batch_id = await waiting_batch(client)
    async with listen(client, f"/2281/status/batch/{batch_id}/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers.getall("Cache-Control") == ["no-store"]
        told = events(answer)
        first = await anext(told)
        assert first == {
            "event": "counts",
            "id": "1",
            "retry": "1000",
            "data": {"batchId": batch_id, "counts": {"queued": 3}, "total": 3, "settled": 0},
        }
        await move(database, batch_id, "sent", 1)
        assert (await anext(told))["data"] == {
            "batchId": batch_id,
            "counts": {"queued": 2, "sent": 1},
            "total": 3,
            "settled": 1,
        }
        await move(database, batch_id, "sent")
        rest = [event async for event in told]
    assert [(event["event"], event["id"]) for event in rest] == [("counts", "3"), ("settled", "4")]
    assert (
        rest[0]["data"]
        == rest[1]["data"]
        == {"batchId": batch_id, "counts": {"sent": 3}, "total": 3, "settled": 3}
    )


async def test_a_listener_that_follows_hears_of_receipts_after_all_has_settled(
    client: Client, database: Database
) -> None:
    batch_id = await waiting_batch(client)
    await move(database, batch_id, "sent")
    async with listen(
        client, f"/status/batch/{batch_id}/events?follow=true"
    ) as answer:  # the short form
        told = events(answer)
        assert [(await anext(told))["event"] for _ in range(2)] == ["counts", "settled"]
        await move(database, batch_id, "delivered", 1)
        later = await anext(told)
    assert (later["event"], later["data"]["counts"]) == ("counts", {"sent": 2, "delivered": 1})


async def test_a_batch_that_nobody_knows_or_that_is_somebody_elses_is_404_and_no_uuid_400(
    client: Client,
) -> None:
    batch_id = await waiting_batch(client)
    for path in (f"/2281/status/batch/{uuid4()}/events", f"/2260/status/batch/{batch_id}/events"):
        missing = await client.get(path)
        assert (missing.status, missing.json["title"]) == (404, "Not Found")
    for path in ("/2281/status/batch/1-1-1-1-1/events", "/status/batch/1-1-1-1-1/events"):
        bad = await client.get(path)
        assert bad.json["violations"] == [
            {"field": "getBatchEvents.batchId", "message": "not a valid UUID"}
        ]
    assert (await client.get(f"/2281/status/batch/{batch_id}/events?follow=kanske")).status == 400


async def test_beyond_the_most_streams_the_next_is_told_to_come_again_and_gets_a_place_that_became_free(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path, http={"port": 0, "streams": 2}) as client:
        batch_id = await waiting_batch(client)
        path = f"/2281/status/batch/{batch_id}/events"
        async with listen(client, path) as one, listen(client, path) as two:
            assert (one.status, two.status) == (200, 200)
            full = await client.get(path)
            assert (full.status, full.json["code"], full.headers["Retry-After"]) == (
                503,
                "too-many-streams",
                "10",
            )
        async with asyncio.timeout(5):
            while (status := (await listen(client, path)).status) == 503:
                await asyncio.sleep(0.02)
        assert status == 200


async def test_a_stop_ends_the_streams_at_once(database: Database, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        async with serving(database, tmp_path, worker={"grace": 20}) as client:
            batch_id = await waiting_batch(client)
            url = f"{client.running.api_url}/2281/status/batch/{batch_id}/events?follow=true"
            answer = await session.get(url, headers=client.bearer)
            await anext(events(answer))
            began = monotonic()
        assert monotonic() - began < 12  # and not the whole grace
        assert await answer.content.read() == b""  # the end of the answer, not a broken connection


# -- what it costs ----------------------------------------


class Watched(History):
    """The history, with a count of the looks, and a database that can be taken away."""

    looks = 0
    away = False

    async def counts(self, municipality_id: str, batch_id: UUID) -> dict[Status, int]:
        self.looks += 1
        if self.away:
            raise ConnectionRefusedError
        return await super().counts(municipality_id, batch_id)


async def test_a_hundred_listeners_of_a_batch_cost_one_look_at_a_time(
    client: Client, database: Database
) -> None:
    batch_id = await waiting_batch(client)
    history = Watched(database)
    progress = Progress(history, 200, QueryInterval(pause=0.2))
    watches = await asyncio.gather(*(progress.join("2281", UUID(batch_id)) for _ in range(100)))
    assert history.looks == 1
    seen = watches[0].seen
    await move(database, batch_id, "sent")
    assert all(await asyncio.gather(*(watch.changed(seen, 5) for watch in watches)))
    assert history.looks == 2
    for watch in watches:
        progress.leave(watch)
    looks = history.looks
    await asyncio.sleep(0.4)
    assert (progress.listeners, history.looks) == (0, looks)  # nobody listens, nobody looks


async def test_a_long_look_is_followed_by_ten_times_its_length_of_rest() -> None:
    at: list[float] = []

    async def look() -> dict[Status, int]:
        at.append(monotonic())
        await asyncio.sleep(0.05)
        return {Status.QUEUED: 1}

    watch = BatchWatcher(("2281", uuid4()), look, QueryInterval(pause=0.01))
    await watch.begin()
    await asyncio.sleep(0.4)
    assert len(at) == 1
    await asyncio.sleep(0.4)
    watch.end()
    assert len(at) == 2


async def test_a_database_that_is_away_ends_no_stream_and_is_told_by_a_comment(
    client: Client, database: Database
) -> None:
    batch_id = await waiting_batch(client)
    history = Watched(database)
    watch = await Progress(history, 1, SWIFT).join("2281", UUID(batch_id))
    told = _changes(watch, UUID(batch_id), follow=False, manner=Manner())
    assert (await anext(told)).event == "counts"
    history.away = True
    assert (await anext(told)).comment == "the database does not answer; it is asked again"
    await move(database, batch_id, "failed")
    history.away = False
    assert [event.event async for event in told] == ["counts", "settled"]


async def test_a_stream_has_an_end(client: Client, database: Database) -> None:
    batch_id = await waiting_batch(client)
    watch = await Progress(History(database), 1, SWIFT).join("2281", UUID(batch_id))
    assert [
        event.event
        async for event in _changes(watch, UUID(batch_id), follow=False, manner=Manner(life=0.1))
    ] == ["counts"]


@pytest.mark.parametrize("read", [0, 1, 2], ids=["nothing", "the first event", "all but the end"])
async def test_a_client_that_stops_reading_is_cut_off_and_its_place_is_free(
    client: Client, database: Database, read: int
) -> None:
    batch_id = await waiting_batch(client)
    await move(database, batch_id, "sent")
    progress = Progress(History(database), 1, SWIFT)
    watch = await progress.join("2281", UUID(batch_id))
    with pytest.raises(TooManyStreams):
        await progress.join("2281", UUID(batch_id))
    manner = Manner(unread=0.1)
    stream = Stream(
        _changes(watch, UUID(batch_id), follow=False, manner=manner),
        lambda: progress.leave(watch),
        manner,
    )
    sent: list[Any] = []

    async def full(message: Any) -> None:
        """As a server sends when the client's window is shut: the head and some events went out,
        the rest waits."""
        if len(sent) > read:
            await asyncio.Event().wait()
        sent.append(message)

    async def connected() -> Any:
        await asyncio.Event().wait()

    async with asyncio.timeout(3):
        await stream({"type": "http", "method": "GET"}, connected, full)
    assert (progress.listeners, len(sent)) == (0, 1 + read)


async def test_nobody_joins_what_has_been_closed(client: Client, database: Database) -> None:
    batch_id = UUID(await waiting_batch(client))
    progress = Progress(History(database), 1)
    with pytest.raises(NotFound):
        await progress.join("2281", uuid4())
    watch = await progress.join("2281", batch_id)
    progress.close()
    assert await watch.changed(watch.seen, 0.05) is False
    assert watch.seen.over
    with pytest.raises(Unavailable):
        await progress.join("2281", batch_id)
