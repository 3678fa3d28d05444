"""Tests of live progress: interrupted, ended and rejected streams, and service outages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import pytest
from aiohttp import web

from tests.client.conftest import (
    FAST_RETRIES,
    Make,
    ScriptedServer,
    drop_connection,
    respond,
    stream_events,
)
from utskick_client import NoAnswer, Refused

QUICK = "retry: 10\n"


def stream_event(event: str, number: int, found: Mapping[str, int]) -> str:
    settled = sum(n for status, n in found.items() if status in ("sent", "failed", "delivered"))
    data = {"batchId": "b", "counts": found, "total": sum(found.values()), "settled": settled}
    return f"{QUICK}event: {event}\nid: {number}\ndata: {json.dumps(data)}\n\n"


async def watched(
    make: Make, wire: ScriptedServer, *, follow: bool = False
) -> list[Mapping[str, int]]:
    return [seen.counts async for seen in make(wire.url).iterate("watch_batch", "b", follow=follow)]


async def test_each_change_is_reported_once_until_all_has_settled(
    make: Make, wire: ScriptedServer
) -> None:
    one, two, three = {"queued": 2}, {"queued": 1, "sent": 1}, {"sent": 2}
    wire.answers = [
        stream_events(
            stream_event("counts", 1, one),
            ": ping\n\n",
            stream_event("counts", 2, two),
            stream_event("counts", 3, three),
            stream_event("settled", 4, three),
        )
    ]
    assert await watched(make, wire) == [one, two, three]
    path, headers, _ = wire.calls[0]
    assert (path, headers["Accept"]) == ("/2281/status/batch/b/events", "text/event-stream")


async def test_a_stream_that_ends_or_breaks_off_is_requested_again_and_nothing_is_reported_twice(
    make: Make, wire: ScriptedServer
) -> None:
    one, two = {"queued": 1}, {"sent": 1}
    wire.answers = [
        stream_events(stream_event("counts", 1, one)),
        stream_events(stream_event("counts", 1, one), abort=True),
        respond(503, {"code": "too-many-streams"}),
        drop_connection,
        stream_events(stream_event("counts", 1, two), stream_event("settled", 2, two)),
    ]
    assert await watched(make, wire) == [one, two]
    assert len(wire.calls) == 5


async def test_a_follower_receives_events_after_all_has_settled(
    make: Make, wire: ScriptedServer
) -> None:
    one, two = {"sent": 1}, {"delivered": 1}
    wire.answers = [
        stream_events(
            stream_event("counts", 1, one),
            stream_event("settled", 2, one),
            stream_event("counts", 3, two),
        ),
        respond(404, {"title": "Not Found"}),
    ]
    stream = make(wire.url).iterate("watch_batch", "b", follow=True)
    assert [(await anext(stream)).counts, (await anext(stream)).counts] == [one, two]
    with pytest.raises(Refused, match="404"):
        await anext(stream)
    assert wire.calls[0][0].endswith("/events?follow=true")


async def test_a_permanent_error_is_reported_at_once(make: Make, wire: ScriptedServer) -> None:
    wire.answers = [respond(404, {"title": "Not Found"})]
    with pytest.raises(Refused):
        await watched(make, wire)
    assert len(wire.calls) == 1


@pytest.mark.parametrize("answer", [drop_connection, respond(503, {"detail": "away"})])
async def test_an_unavailable_service_is_not_awaited_for_ever(
    make: Make, wire: ScriptedServer, answer: object
) -> None:
    wire.answers = [stream_events(stream_event("counts", 1, {"queued": 1})), answer]  # type: ignore[list-item]
    client = make(wire.url, retry_policy=replace(FAST_RETRIES, max_outage=0.1))
    with pytest.raises((NoAnswer, Refused)):
        [seen async for seen in client.iterate("watch_batch", "b")]
    assert len(wire.calls) > 2


async def test_leaving_ends_the_stream(make: Make, wire: ScriptedServer) -> None:
    ended: list[bool] = []

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        try:
            for number in count():
                await answer.write(stream_event("counts", number, {"queued": number + 1}).encode())
                await asyncio.sleep(0.01)
        finally:
            ended.append(True)
        return answer

    wire.answers = [endless]
    stream = make(wire.url).iterate("watch_batch", "b")
    async for seen in stream:
        if seen.total == 3:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(5):
        while not ended:
            await asyncio.sleep(0.02)
