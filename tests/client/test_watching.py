"""Tests of live progress: interrupted, ended and rejected streams, and service outages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import pytest
from aiohttp import web

from tests.client.conftest import SWIFT, Make, Wire, hanging_up, saying, streaming
from utskick_client import NoAnswer, Refused

QUICK = "retry: 10\n"


def told(event: str, number: int, found: Mapping[str, int]) -> str:
    settled = sum(n for status, n in found.items() if status in ("sent", "failed", "delivered"))
    data = {"batchId": "b", "counts": found, "total": sum(found.values()), "settled": settled}
    return f"{QUICK}event: {event}\nid: {number}\ndata: {json.dumps(data)}\n\n"


async def watched(make: Make, wire: Wire, *, follow: bool = False) -> list[Mapping[str, int]]:
    return [seen.counts async for seen in make(wire.url).iterate("watch_batch", "b", follow=follow)]


async def test_each_change_is_reported_once_until_all_has_settled(make: Make, wire: Wire) -> None:
    one, two, three = {"queued": 2}, {"queued": 1, "sent": 1}, {"sent": 2}
    wire.answers = [
        streaming(
            told("counts", 1, one),
            ": ping\n\n",
            told("counts", 2, two),
            told("counts", 3, three),
            told("settled", 4, three),
        )
    ]
    assert await watched(make, wire) == [one, two, three]
    path, headers, _ = wire.asked[0]
    assert (path, headers["Accept"]) == ("/2281/status/batch/b/events", "text/event-stream")


async def test_a_stream_that_ends_or_breaks_off_is_requested_again_and_nothing_is_reported_twice(
    make: Make, wire: Wire
) -> None:
    one, two = {"queued": 1}, {"sent": 1}
    wire.answers = [
        streaming(told("counts", 1, one)),
        streaming(told("counts", 1, one), abort=True),
        saying(503, {"code": "too-many-streams"}),
        hanging_up,
        streaming(told("counts", 1, two), told("settled", 2, two)),
    ]
    assert await watched(make, wire) == [one, two]
    assert len(wire.asked) == 5


async def test_a_follower_receives_events_after_all_has_settled(make: Make, wire: Wire) -> None:
    one, two = {"sent": 1}, {"delivered": 1}
    wire.answers = [
        streaming(told("counts", 1, one), told("settled", 2, one), told("counts", 3, two)),
        saying(404, {"title": "Not Found"}),
    ]
    stream = make(wire.url).iterate("watch_batch", "b", follow=True)
    assert [(await anext(stream)).counts, (await anext(stream)).counts] == [one, two]
    with pytest.raises(Refused, match="404"):
        await anext(stream)
    assert wire.asked[0][0].endswith("/events?follow=true")


async def test_a_permanent_error_is_reported_at_once(make: Make, wire: Wire) -> None:
    wire.answers = [saying(404, {"title": "Not Found"})]
    with pytest.raises(Refused):
        await watched(make, wire)
    assert len(wire.asked) == 1


@pytest.mark.parametrize("answer", [hanging_up, saying(503, {"detail": "away"})])
async def test_an_unavailable_service_is_not_awaited_for_ever(
    make: Make, wire: Wire, answer: object
) -> None:
    wire.answers = [streaming(told("counts", 1, {"queued": 1})), answer]  # type: ignore[list-item]
    client = make(wire.url, patience=replace(SWIFT, absence=0.1))
    with pytest.raises((NoAnswer, Refused)):
        [seen async for seen in client.iterate("watch_batch", "b")]
    assert len(wire.asked) > 2


async def test_leaving_ends_the_stream(make: Make, wire: Wire) -> None:
    ended: list[bool] = []

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        try:
            for number in count():
                await answer.write(told("counts", number, {"queued": number + 1}).encode())
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
