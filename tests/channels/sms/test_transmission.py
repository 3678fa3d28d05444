"""How often, and with what waits, refused parts of a message are repeated."""

from __future__ import annotations

from asyncio import gather
from types import SimpleNamespace
from typing import cast

import pytest

from utskick.channels.sms.smpp import transmission
from utskick.channels.sms.smpp.session import Accepted, Session
from utskick.channels.sms.smpp.submit_sm import Part
from utskick.channels.sms.smpp.transmission import Transmission
from utskick.domain.outcome import Deferred, Reason, Uncertain


async def test_refused_parts_are_repeated_after_waits_that_double_up_to_four_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message centre is not asked more often the longer it refuses."""
    now, waits = 0.0, list[float]()

    async def sleep(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        now += seconds

    class Refusing(Session):
        def __init__(self) -> None:
            """Needs no connection."""

        async def submit(self, part: Part) -> Deferred:
            return Deferred(Reason("throttled", "later"))

    async def bound() -> Session:
        return Refusing()

    monkeypatch.setattr(transmission, "asyncio", SimpleNamespace(sleep=sleep, gather=gather))
    monkeypatch.setattr(transmission, "time", SimpleNamespace(monotonic=lambda: now))
    parts = [cast(Part, object())] * 2
    outcome = await Transmission(bound, 20.0).send(parts, {0: Accepted("id-1")})
    assert isinstance(outcome, Uncertain)
    assert waits == [0.5, 1, 2, 4, 4, 4, 4], "and ends within its patience of 20 s"
