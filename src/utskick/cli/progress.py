"""Watching batches until they settle: a live bar for each, fed by the streams of events that the
API gives."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from utskick.cli import console as screen
from utskick.domain.status import Status
from utskick_client import AsyncUtskickClient
from utskick_client.results import unsettled

Counts = Mapping[str, int]


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
    """Seconds. ``calm``: how long nothing may have changed, after all has settled, because a
    receipt may still come.

    ``longest``: when to stop looking, None for never.
    """

    calm: float = 0.0
    longest: float | None = None


#: Seconds between two looks at the clock.
_TICK = 0.2


async def watch(
    client: AsyncUtskickClient, batches: Sequence[Watched], console: Console, pace: Pace = Pace()
) -> list[Counts]:
    """The last counts of each batch, in their order. The service may be restarted while somebody
    watches."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars = [
            _Bar(watched, progress, progress.add_task(watched.label, total=None, counts=""))
            for watched in batches
        ]
        listeners = [
            asyncio.create_task(bar.listen(client, batch_id))
            for bar in bars
            for batch_id in bar.watched.batch_ids
        ]
        try:
            await _until_settled(bars, listeners, pace)
        finally:
            for listener in listeners:
                listener.cancel()
            await asyncio.gather(*listeners, return_exceptions=True)
    return [bar.counts for bar in bars]


async def _until_settled(
    bars: Sequence[_Bar], listeners: Sequence[asyncio.Task[None]], pace: Pace
) -> None:
    """Raises what a listener raised."""
    began = time.monotonic()
    while not all(bar.settled for bar in bars) or not _calm(bars, pace):
        if pace.longest is not None and time.monotonic() - began > pace.longest:
            return
        await asyncio.wait(listeners, timeout=_TICK, return_when=asyncio.FIRST_EXCEPTION)
        for listener in listeners:
            if listener.done():
                listener.result()


def _calm(bars: Sequence[_Bar], pace: Pace) -> bool:
    may_change = any(
        bar.counts.get(Status.SENT) or bar.counts.get(Status.UNCERTAIN) for bar in bars
    )
    return not may_change or time.monotonic() - max(bar.changed for bar in bars) >= pace.calm


@dataclass
class _Bar:
    """One line on the screen. ``changed``: when its counts last did."""

    watched: Watched
    progress: Progress
    task: TaskID
    changed: float = field(default_factory=time.monotonic)
    _heard: dict[str, Counts] = field(default_factory=dict)

    @property
    def counts(self) -> Counts:
        found: Counter[str] = Counter()
        for counts in self._heard.values():
            found.update(counts)
        return dict(found)

    @property
    def settled(self) -> bool:
        """Of each of its batches something has been heard, and nothing moves of itself any more."""
        return len(self._heard) == len(self.watched.batch_ids) and unsettled(self.counts) == 0

    async def listen(self, client: AsyncUtskickClient, batch_id: str) -> None:
        """For ever: whether a receipt may still come is not this batch's to say."""
        async with aclosing(client.watch_batch(batch_id, follow=True)) as stream:
            async for seen in stream:
                self._heard[batch_id], self.changed = seen.counts, time.monotonic()
                counts = self.counts
                total = sum(counts.values())
                self.progress.update(
                    self.task,
                    completed=total - unsettled(counts),
                    total=total,
                    counts=screen.in_words(counts),
                )
