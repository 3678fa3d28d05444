"""Tests of the progress bars: grouped batches, service restarts and late receipts."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from io import StringIO

import pytest
from aiohttp import web
from rich.console import Console

from tests.client.conftest import Answer, ScriptedServer, drop_connection, respond, stream_events
from utskick.cli.client import RequestRefused, ServiceTarget, open_client
from utskick.cli.console import share_text, waiting_text
from utskick.cli.progress import Counts, Watched, WatchLimits, watch
from utskick.domain.clock import SWEDEN
from utskick_client import RetryPolicy


def counts_event(**counts: int) -> str:
    settled = sum(n for status, n in counts.items() if status not in ("queued", "deferred"))
    data = {"batchId": "b", "counts": counts, "total": sum(counts.values()), "settled": settled}
    return f"retry: 10\nevent: counts\ndata: {json.dumps(data)}\n\n"


def slow_stream(*events: tuple[float, str]) -> Answer:
    """Return a stream that delays each event and stays open until the client leaves."""

    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for after, event in events:
            await asyncio.sleep(after)
            await answer.write(event.encode())
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.02)
        return answer

    return stream


async def watched_output(
    wire: ScriptedServer, *watched: Watched, pace: WatchLimits = WatchLimits()
) -> tuple[list[Counts], str]:
    screen = StringIO()
    async with open_client(ServiceTarget(wire.url), RetryPolicy(max_outage=2)) as client:
        found = await watch(client, watched, Console(file=screen, width=160), pace)
    return found, screen.getvalue()


async def test_several_batches_are_one_bar_and_a_restart_is_waited_out(
    wire: ScriptedServer,
) -> None:
    wire.answers = [
        stream_events(counts_event(queued=2), abort=True),
        slow_stream((0, counts_event(sent=1, failed=1))),
        drop_connection,
        respond(503, {"code": "unavailable"}),
        slow_stream((0, counts_event(sent=2))),
    ]
    counts, screen = await watched_output(wire, Watched("fakturor", ("a", "b")))
    assert counts == [{"sent": 3, "failed": 1}]
    assert "fakturor" in screen
    assert "100 % settled" in screen
    assert {path for path, _, _ in wire.calls} == {
        f"/2281/status/batch/{batch}/events?follow=true" for batch in "ab"
    }


async def test_receipts_are_waited_for_while_they_may_come_and_no_longer(
    wire: ScriptedServer,
) -> None:
    wire.answers = [slow_stream((0, counts_event(sent=1)), (0.3, counts_event(delivered=1)))]
    assert (await watched_output(wire, Watched("sms", "a"), pace=WatchLimits(quiet=5)))[0] == [
        {"delivered": 1}
    ]
    wire.answers = [slow_stream((0, counts_event(sent=1)))]
    assert (await watched_output(wire, Watched("sms", "a"), pace=WatchLimits(quiet=0.3)))[0] == [
        {"sent": 1}
    ]


async def test_the_longest_time_is_not_outstayed(wire: ScriptedServer) -> None:
    wire.answers = [slow_stream((0, counts_event(deferred=1)))]
    began = time.monotonic()
    assert (await watched_output(wire, Watched("sms", "a"), pace=WatchLimits(timeout=0.5)))[0] == [
        {"deferred": 1}
    ]
    assert time.monotonic() - began < 3


async def test_a_removed_batch_is_reported(wire: ScriptedServer) -> None:
    wire.answers = [respond(404, {"title": "Not Found", "detail": "No batch found"})]
    with pytest.raises(RequestRefused, match="No batch found"):
        await watched_output(wire, Watched("sms", "a"))


async def test_the_bar_says_what_is_open_and_until_when_it_waits(wire: ScriptedServer) -> None:
    wire.answers = [
        slow_stream((0, counts_event(sent=997, deferred=3))),
        respond(
            200,
            {
                "batchId": "b",
                "counts": {"sent": 997, "deferred": 3},
                "waiting": 3,
                "waitsUntil": "2035-10-09T14:05:00",
            },
        ),
    ]
    _, screen = await watched_output(wire, Watched("sms", "a"), pace=WatchLimits(timeout=4))
    assert "99 % settled" in screen
    assert "3 wait until 2035-10-09 14:05" in screen
    assert "100" not in screen


@pytest.mark.parametrize(
    ("settled", "total", "share"),
    [(0, 0, 0), (0, 3, 0), (199, 200, 99), (99_999, 100_000, 99), (3, 3, 100)],
)
def test_all_is_settled_only_when_all_is(settled: int, total: int, share: int) -> None:
    assert share_text(settled, total) == f"{share} % settled"


@pytest.mark.parametrize(
    ("left", "waiting", "until", "text"),
    [
        (0, 0, None, ""),
        (0, 3, datetime(2035, 10, 9, 14, 5), ""),
        (3, 0, None, "3 open"),
        (3, 3, datetime(2035, 10, 9, 14, 5), "3 wait until 2035-10-09 14:05"),
        (1, 1, datetime(2035, 10, 9, 12, 5, tzinfo=UTC), "1 waits until 2035-10-09 14:05"),
        (5, 3, datetime(2035, 10, 9, 14, 5), "3 wait until 2035-10-09 14:05, 2 more open"),
    ],
)
def test_what_waits_is_told_in_swedish_time(
    left: int, waiting: int, until: datetime | None, text: str
) -> None:
    if until is not None and until.tzinfo is not None:
        until = until.astimezone(SWEDEN)
    assert waiting_text(left, waiting, until) == text
