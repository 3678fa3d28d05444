"""Journeys in which a worker is killed with kill -9, and another one finishes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.journeys.oracle import Verdict
from tests.journeys.stage import Stage, addresses, numbers

POINTS = ("before-begin", "after-begin", "after-answer", "after-settle")
#: Thirty messages and the twelfth pass of a point: some are sent, some in progress, some queued.
COUNT, TIMES, UNDER_WAY = 30, 12, 8


@dataclass(frozen=True, slots=True)
class JourneyResult:
    """Result of a journey.

    ``interrupted``: deliveries with an open attempt when the worker died; ``received``: messages
    received when the worker died.
    """

    verdict: Verdict
    interrupted: list[str]
    received: int


async def journey(stage: Stage, channel: str, point: str) -> JourneyResult:
    """Kill a worker at the point, and start another one."""
    await stage.api()
    await stage.batch(channel, numbers(COUNT) if channel == "sms" else addresses(COUNT))
    first = await stage.worker(DIE_AT=f"{point}:{TIMES}")
    assert await first.exit_status() == -9, first.log_text
    return await finish(stage)


async def finish(stage: Stage) -> JourneyResult:
    await asyncio.sleep(0.1)  # calls of the dead worker arrive
    received = len(stage.providers.ledger)
    interrupted = [
        str(row["id"])
        for row in await stage.environment.rows(
            "SELECT id FROM deliveries WHERE status = 'sending'"
        )
    ]
    await stage.worker()
    await stage.settle()
    return JourneyResult(await stage.compare(), interrupted, received)


async def killed_during_call(stage: Stage, channel: str) -> JourneyResult:
    """Kill a worker while the provider has received eight messages and answered none."""
    await stage.api()
    await stage.batch(channel, numbers(COUNT) if channel == "sms" else addresses(COUNT))
    first = await stage.worker()
    await stage.providers.wait_for_messages(UNDER_WAY)
    await first.kill()
    stage.providers.response_delay = 0
    stage.providers.faults.clear()
    return await finish(stage)
