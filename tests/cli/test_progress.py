"""The bars: several batches as one, a service that is restarted while somebody watches, and
receipts that come after all has settled."""

from __future__ import annotations

import asyncio
import json
import time
from io import StringIO

import pytest
from aiohttp import web
from rich.console import Console

from tests.client.conftest import Answer, Wire, hanging_up, saying, streaming
from utskick.cli.client import RequestRefused, ServiceTarget, reaching
from utskick.cli.progress import Counts, Pace, Watched, watch
from utskick_client import Patience


def told(**counts: int) -> str:
    settled = sum(n for status, n in counts.items() if status not in ("queued", "deferred"))
    data = {"batchId": "b", "counts": counts, "total": sum(counts.values()), "settled": settled}
    return f"retry: 10\nevent: counts\ndata: {json.dumps(data)}\n\n"


def staying(*events: tuple[float, str]) -> Answer:
    """A stream that tells each after so many seconds, and stays open until the client leaves."""

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


async def shown(wire: Wire, *watched: Watched, pace: Pace = Pace()) -> tuple[list[Counts], str]:
    screen = StringIO()
    async with reaching(ServiceTarget(wire.url), Patience(absence=2)) as client:
        found = await watch(client, watched, Console(file=screen, width=160), pace)
    return found, screen.getvalue()


async def test_several_batches_are_one_bar_and_a_restart_is_waited_out(wire: Wire) -> None:
    wire.answers = [
        streaming(told(queued=2), abort=True),
        staying((0, told(sent=1, failed=1))),
        hanging_up,
        saying(503, {"code": "unavailable"}),
        staying((0, told(sent=2))),
    ]
    counts, screen = await shown(wire, Watched("fakturor", ("a", "b")))
    assert counts == [{"sent": 3, "failed": 1}]
    assert "fakturor" in screen
    assert "100%" in screen
    assert {path for path, _, _ in wire.asked} == {
        f"/2281/status/batch/{batch}/events?follow=true" for batch in "ab"
    }


async def test_receipts_are_waited_for_while_they_may_come_and_no_longer(wire: Wire) -> None:
    wire.answers = [staying((0, told(sent=1)), (0.3, told(delivered=1)))]
    assert (await shown(wire, Watched("sms", "a"), pace=Pace(calm=5)))[0] == [{"delivered": 1}]
    wire.answers = [staying((0, told(sent=1)))]
    assert (await shown(wire, Watched("sms", "a"), pace=Pace(calm=0.3)))[0] == [{"sent": 1}]


async def test_the_longest_time_is_not_outstayed(wire: Wire) -> None:
    wire.answers = [staying((0, told(deferred=1)))]
    began = time.monotonic()
    assert (await shown(wire, Watched("sms", "a"), pace=Pace(longest=0.5)))[0] == [{"deferred": 1}]
    assert time.monotonic() - began < 3


async def test_a_batch_that_is_gone_is_told(wire: Wire) -> None:
    wire.answers = [saying(404, {"title": "Not Found", "detail": "No batch found"})]
    with pytest.raises(RequestRefused, match="No batch found"):
        await shown(wire, Watched("sms", "a"))
