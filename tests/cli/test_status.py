"""Tests of ``utskick status --watch`` for a batch: live counts, and reasons at the end."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from uuid import uuid4

import pytest

from tests.client.conftest import ScriptedServer, respond, stream_events
from utskick.cli import console
from utskick.cli.client import ServiceTarget
from utskick.cli.status import show


def stream_event(event: str, **counts: int) -> str:
    data = {
        "batchId": "b",
        "counts": counts,
        "total": sum(counts.values()),
        "settled": sum(counts.values()) - counts.get("queued", 0),
    }
    return f"retry: 10\nevent: {event}\ndata: {json.dumps(data)}\n\n"


def failed(delivery_id: str) -> dict[str, Any]:
    reason = {
        "code": "declined-unknown-recipient",
        "message": "the operator has no such subscriber",
    }
    delivery = {
        "deliveryId": delivery_id,
        "messageType": "SMS",
        "lifecycle": "failed",
        "attempts": 1,
        "reason": reason,
    }
    return {"messageId": "m", "deliveries": [delivery]}


async def test_a_watched_batch_is_drawn_from_its_stream_and_its_reasons_at_the_end(
    wire: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console.stdout, "width", 200)
    object_id, missing = str(uuid4()), respond(404, {"title": "Not Found"})
    wire.answers = [
        missing,
        missing,
        respond(200, {"batchId": object_id, "counts": {"queued": 2}}),
        stream_events(stream_event("counts", queued=1, failed=1), abort=True),
        stream_events(stream_event("counts", failed=2), stream_event("settled", failed=2)),
        respond(
            200,
            {
                "batchId": object_id,
                "counts": {"failed": 2},
                "messages": [failed("d-1"), failed("d-2")],
            },
        ),
    ]
    await asyncio.to_thread(show, ServiceTarget(wire.url), object_id, follow=True)
    out = capsys.readouterr().out
    assert "the operator has no such subscriber" in out
    # Into a pipe: a line for each change, then the whole.
    assert "50 % settled  queued 1  failed 1" in out
    assert "100 % settled  failed 2" in out
    assert re.search(r"progress +│ 100 % settled", out)
    assert "d-1" in out
    assert [path.partition("status/")[2] for path, _, _ in wire.calls] == [
        f"delivery/{object_id}",
        f"messages/{object_id}",
        f"batch/{object_id}?messages=false",
        f"batch/{object_id}/events",
        f"batch/{object_id}/events",
        f"batch/{object_id}",
    ]
