"""A worker is killed with kill -9 anywhere on a delivery's way, and another one finishes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.journeys.oracle import Verdict
from tests.journeys.stage import Stage, addresses, numbers

POINTS = ("before-begin", "after-begin", "after-answer", "after-settle")
#: A batch of thirty, and the point's twelfth time: some are answered by then, some are under way,
#: some have not begun.
COUNT, TIMES, UNDER_WAY = 30, 12, 8


@dataclass(frozen=True, slots=True)
class Ended:
    """``interrupted``: ids of the deliveries whose attempt was open when the worker died;
    ``by_then``: messages taken by then."""

    verdict: Verdict
    interrupted: list[str]
    by_then: int


async def journey(stage: Stage, channel: str, point: str) -> Ended:
    """A worker dies at the point; another comes after it."""
    await stage.door()
    await stage.batch(channel, numbers(COUNT) if channel == "sms" else addresses(COUNT))
    first = await stage.worker(DIE_AT=f"{point}:{TIMES}")
    assert await first.ended() == -9, first.said
    return await finish(stage)


async def finish(stage: Stage) -> Ended:
    await asyncio.sleep(0.1)  # what had left the dead worker arrives
    by_then = len(stage.providers.ledger)
    interrupted = [
        str(row["id"])
        for row in await stage.ground.rows("SELECT id FROM deliveries WHERE status = 'sending'")
    ]
    await stage.worker()
    await stage.settle()
    return Ended(await stage.compare(), interrupted, by_then)


async def killed_while_thinking(stage: Stage, channel: str) -> Ended:
    """The worker is killed by its process id when the provider has taken eight messages and
    answered none."""
    await stage.door()
    await stage.batch(channel, numbers(COUNT) if channel == "sms" else addresses(COUNT))
    first = await stage.worker()
    await stage.providers.have_taken(UNDER_WAY)
    await first.kill()
    stage.providers.thinking = 0
    stage.providers.faults.clear()
    return await finish(stage)
