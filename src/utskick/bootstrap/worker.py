"""The worker, from the settings: retry policies, options, and its garbage collection."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from utskick.bootstrap import channels as speaking
from utskick.channels.registry import CHANNELS
from utskick.domain.channel import Channel
from utskick.domain.clock import utc_now
from utskick.domain.errors import SettingsFault
from utskick.engine.retry import Policy
from utskick.engine.worker import Worker, WorkerOptions
from utskick.outgoing.webhooks import WebhookClient
from utskick.settings import Settings
from utskick.store.database import Database


def policies_of(settings: Settings) -> dict[str, Policy]:
    unknown = settings.retry.keys() - CHANNELS.keys()
    if unknown:
        raise SettingsFault(f"retry: there is no channel named {', '.join(sorted(unknown))}")
    return {
        name: Policy(
            timedelta(seconds=r.first),
            timedelta(seconds=r.ceiling),
            timedelta(seconds=r.misconfigured),
        )
        for name, r in settings.retry.items()
    }


def worker_of(
    settings: Settings,
    database: Database,
    channels: Mapping[str, Channel],
    receivers: WebhookClient,
) -> Worker:
    options = WorkerOptions(
        settings.patience,
        settings.worker.poll,
        settings.worker.grace,
        receivers,
        speaking.rules_of(settings),
    )
    return Worker(database, channels, utc_now, options=options, policies=policies_of(settings))


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    """The worker runs beside, as the task that is given; on leaving it stops gracefully."""
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        worker.stop()
        await task


def collect_rarely() -> None:
    """What was built at the start stays; the rest is looked through for cycles a hundred times more
    rarely than Python would.

    A third of the time of a delivery went into looking (bench/README.md): thousands of them wait at
    once, and none is garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
