"""Live progress of batches, fed by the event streams of the API."""

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
    TextColumn,
    TimeElapsedColumn,
)

from utskick.cli.console import counts_line, share_text, waiting_text
from utskick.domain.status import Status
from utskick_client import AsyncUtskickClient, BatchResult
from utskick_client.results import unsettled

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Watched:
    """One or several batches, displayed as one bar."""

    label: str
    batch_id: str | tuple[str, ...]

    @property
    def batch_ids(self) -> tuple[str, ...]:
        return (self.batch_id,) if isinstance(self.batch_id, str) else self.batch_id


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Waiting times in seconds.

    ``quiet``: time without changes after everything has settled, since a receipt may still arrive.
    ``timeout``: total time limit, None for no limit.
    """

    quiet: float = 0.0
    timeout: float | None = None


#: Seconds without changes after which it is asked what is waited for, and between two questions.
_STILL = 2.0
_WAITING = 5.0
#: Seconds between two checks of the time limits.
_TICK = 0.2


async def watch(
    client: AsyncUtskickClient,
    batches: Sequence[Watched],
    console: Console,
    limits: WatchLimits = WatchLimits(),
) -> list[Counts]:
    """Display the batches until they settle, and return their last counts in order.

    Survives a restart of the service.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[share]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[waiting]}{task.fields[counts]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars = [
            _Bar(
                watched,
                progress,
                progress.add_task(watched.label, total=None, share="", waiting="", counts=""),
            )
            for watched in batches
        ]
        listeners = [
            asyncio.create_task(bar.listen(client, batch_id))
            for bar in bars
            for batch_id in bar.watched.batch_ids
        ] + [asyncio.create_task(bar.ask(client)) for bar in bars]
        try:
            await _until_settled(bars, listeners, limits)
        finally:
            for listener in listeners:
                listener.cancel()
            for bar in bars:
                bar.draw()
            await asyncio.gather(*listeners, return_exceptions=True)
    return [bar.counts for bar in bars]


async def _until_settled(
    bars: Sequence[_Bar], listeners: Sequence[asyncio.Task[None]], limits: WatchLimits
) -> None:
    """Wait until all batches have settled; re-raise the exception of a listener."""
    started = time.monotonic()
    while not all(bar.settled for bar in bars) or not _is_quiet(bars, limits):
        if limits.timeout is not None and time.monotonic() - started > limits.timeout:
            return
        await asyncio.wait(listeners, timeout=_TICK, return_when=asyncio.FIRST_EXCEPTION)
        for listener in listeners:
            if listener.done():
                listener.result()


def _is_quiet(bars: Sequence[_Bar], limits: WatchLimits) -> bool:
    may_change = any(
        bar.counts.get(Status.SENT) or bar.counts.get(Status.UNCERTAIN) for bar in bars
    )
    return not may_change or time.monotonic() - max(bar.changed for bar in bars) >= limits.quiet


@dataclass
class _Bar:
    """One progress bar; ``changed`` is the monotonic time of the last change of its counts."""

    watched: Watched
    progress: Progress
    task: TaskID
    changed: float = field(default_factory=time.monotonic)
    _counts_by_batch: dict[str, Counts] = field(default_factory=dict)
    _waiting: dict[str, BatchResult] = field(default_factory=dict)

    @property
    def counts(self) -> Counts:
        found: Counter[str] = Counter()
        for counts in self._counts_by_batch.values():
            found.update(counts)
        return dict(found)

    @property
    def settled(self) -> bool:
        """Whether every batch has reported and no delivery will change without a receipt."""
        return (
            len(self._counts_by_batch) == len(self.watched.batch_ids)
            and unsettled(self.counts) == 0
        )

    async def listen(self, client: AsyncUtskickClient, batch_id: str) -> None:
        """Follow the events of a batch until cancelled, since receipts may arrive at any time."""
        async with aclosing(client.watch_batch(batch_id, follow=True)) as stream:
            async for event in stream:
                self._counts_by_batch[batch_id], self.changed = event.counts, time.monotonic()
                self._waiting.pop(batch_id, None)
                self.draw()

    async def ask(self, client: AsyncUtskickClient) -> None:
        """Ask now and then until when the open deliveries wait, until cancelled."""
        while True:
            if time.monotonic() - self.changed < _STILL:
                await asyncio.sleep(_TICK)
                continue
            for batch_id, counts in list(self._counts_by_batch.items()):
                if unsettled(counts):
                    self._waiting[batch_id] = await client.batch_status(batch_id, messages=False)
            self.draw()
            await asyncio.sleep(_WAITING)

    def draw(self) -> None:
        counts = self.counts
        total, left = sum(counts.values()), unsettled(counts)
        waiting = [found for found in self._waiting.values() if found.waits_until and left]
        text = waiting_text(
            left,
            min(left, sum(found.waiting for found in waiting)),
            min((found.waits_until for found in waiting if found.waits_until), default=None),
        )
        self.progress.update(
            self.task,
            completed=total - left,
            total=total or None,
            share=share_text(total - left, total) if total else "",
            waiting=f"{text}  " if text else "",
            counts=counts_line(counts),
        )
