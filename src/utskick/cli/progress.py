"""Watching batches until they settle: a live bar for each, fed by the counts that the API tells."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from utskick.cli import screen
from utskick.cli.client import Client, NoAnswer, Refused
from utskick.cli.results import Counts, unsettled
from utskick.domain.status import Status


@dataclass(frozen=True, slots=True)
class Watched:
    """A batch on the screen, or several that are shown as one."""

    label: str
    batch_id: str | tuple[str, ...]

    @property
    def batch_ids(self) -> tuple[str, ...]:
        return (self.batch_id,) if isinstance(self.batch_id, str) else self.batch_id


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two looks, and how long a service that does not answer is waited for.

    ``calm``: how long nothing may have changed, after all has settled, because a receipt may still come.
    ``longest``: when to stop looking, None for never.
    """

    look: float = 0.5
    absence: float = 60.0
    calm: float = 0.0
    longest: float | None = None


async def watch(client: Client, batches: Sequence[Watched], console: Console, pace: Pace = Pace()) -> list[Counts]:
    """The last counts of each batch, in their order."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    counts: list[Counts] = [{} for _ in batches]
    changed = began = time.monotonic()
    with Progress(*columns, console=console) as progress:
        bars = [progress.add_task(batch.label, total=None, counts="") for batch in batches]
        while True:
            before, counts = counts, [await _together(client, batch, pace) for batch in batches]
            for bar, found in zip(bars, counts, strict=True):
                total = sum(found.values())
                progress.update(bar, completed=total - unsettled(found), total=total, counts=screen.in_words(found))
            now = time.monotonic()
            changed = now if counts != before else changed
            settled = not any(unsettled(found) for found in counts)
            may_change = any(found.get(Status.SENT) or found.get(Status.UNCERTAIN) for found in counts)
            if settled and (now - changed >= pace.calm or not may_change):
                return counts
            if pace.longest is not None and now - began > pace.longest:
                return counts
            await asyncio.sleep(pace.look)


async def _together(client: Client, watched: Watched, pace: Pace) -> Counts:
    found: Counter[Status] = Counter()
    for batch_id in watched.batch_ids:
        found.update(await _counts(client, batch_id, pace))
    return dict(found)


async def _counts(client: Client, batch_id: str, pace: Pace) -> Counts:
    """The service may be restarted while somebody watches."""
    patience = time.monotonic() + pace.absence
    while True:
        try:
            return (await client.batch(batch_id)).counts
        except (NoAnswer, Refused) as fault:
            if time.monotonic() > patience or (isinstance(fault, Refused) and fault.answered != 503):
                raise
            await asyncio.sleep(1)
