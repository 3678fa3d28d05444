"""``utskick status``: what became of a delivery, a message or a batch, whichever the id is of."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table

from utskick.cli import console as screen
from utskick.cli.client import ServiceTarget, reaching
from utskick.domain.errors import NotFound, Unreadable
from utskick.domain.ids import parse_id
from utskick.domain.status import Status
from utskick_client import AsyncUtskickClient, BatchResult, DeliveryResult, MessageResult, Refused

#: Batches up to this size are read whole, to tell why deliveries failed.
_WHOLE: Final = 10_000
_EVERY: Final = 1.0
_ILL: Final = (Status.FAILED, Status.UNCERTAIN, Status.EXPIRED, Status.DEFERRED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class View:
    """What is on the screen, and whether it will change of itself. ``batch``: where it is of one,
    ``reasons`` as they were last told."""

    drawn: RenderableType
    settled: bool
    batch: BatchResult | None = None
    reasons: Table | None = None


def show(target: ServiceTarget, text: str, *, watched: bool) -> None:
    """Raises ``NotFound`` where the id is of nothing in the municipality."""
    found = parse_id(text)
    if found is None:
        raise Unreadable(f"{text} is no id: ids are UUIDs, as `utskick send` and the API give them")
    asyncio.run(_show(target, str(found), watched=watched))


async def _show(target: ServiceTarget, wanted: str, *, watched: bool) -> None:
    async with reaching(target) as client:
        view = await look(client, target.municipality, wanted)
        if not watched:
            screen.console.print(view.drawn)
            return
        with Live(view.drawn, console=screen.console, auto_refresh=False) as live:
            if view.settled:
                return
            if view.batch is not None:
                await _watch(client, view, live)
                return
            while not view.settled:
                await asyncio.sleep(_EVERY)
                view = await look(client, target.municipality, wanted)
                live.update(view.drawn, refresh=True)


async def _watch(client: AsyncUtskickClient, view: View, live: Live) -> None:
    """A batch: its counts as they change; the reasons take a look at every delivery, and are asked
    for more rarely."""
    assert view.batch is not None
    looked = time.monotonic()
    async with aclosing(client.watch_batch(view.batch.batch_id)) as stream:
        async for seen in stream:
            batch = replace(view.batch, counts=seen.counts)
            if seen.done or time.monotonic() - looked > _EVERY:
                view, looked = await _of_batch(client, batch), time.monotonic()
            else:
                view = _drawn(batch, view.reasons)
            live.update(view.drawn, refresh=True)


async def look(client: AsyncUtskickClient, municipality: str, wanted: str) -> View:
    """A delivery, else a message, else a batch."""
    for read in (_delivery, _message, _batch):
        try:
            return await read(client, wanted)
        except Refused as fault:
            if fault.status != 404:
                raise
    raise NotFound(
        f"municipality {municipality} has no delivery, message or batch with the id {wanted}"
    )


async def _delivery(client: AsyncUtskickClient, wanted: str) -> View:
    delivery = await client.delivery_status(wanted)
    return View(Group(_head(delivery), screen.story(delivery)), delivery.settled)


def _head(delivery: DeliveryResult) -> Table:
    rows = screen.of_delivery(delivery)
    named = (
        ("message", delivery.message_id),
        ("batch", delivery.batch_id),
        ("reference", delivery.reference),
    )
    return screen.sheet([*rows, *((what, value) for what, value in named if value)])


async def _message(client: AsyncUtskickClient, wanted: str) -> View:
    message: MessageResult = await client.message_status(wanted)
    return View(
        screen.of_message(message), all(delivery.settled for delivery in message.deliveries)
    )


async def _batch(client: AsyncUtskickClient, wanted: str) -> View:
    return await _of_batch(client, await client.batch_status(wanted, messages=False))


async def _of_batch(client: AsyncUtskickClient, batch: BatchResult) -> View:
    reasons = None
    if batch.total <= _WHOLE and any(batch.counts.get(status) for status in _ILL):
        reasons = _reasons(await client.batch_status(batch.batch_id))
    return _drawn(batch, reasons)


def _drawn(batch: BatchResult, reasons: Table | None) -> View:
    drawn: list[RenderableType] = [
        screen.sheet(
            [
                ("batch", batch.batch_id),
                ("deliveries", str(batch.total)),
                *screen.of_measure(batch.sms),
            ]
        ),
        screen.of_counts(batch.counts),
        *([reasons] if reasons is not None else []),
    ]
    return View(Group(*drawn), batch.unsettled == 0, batch, reasons)


def _reasons(batch: BatchResult) -> Table:
    """Why deliveries are not sent, the most frequent reason first, with one of them to look at."""
    ill = [d for message in batch.messages for d in message.deliveries if d.lifecycle in _ILL]
    why = Counter((str(d.lifecycle), screen.told(d.reason)) for d in ill)
    example = {(str(d.lifecycle), screen.told(d.reason)): d.delivery_id for d in reversed(ill)}
    table = Table(title="not sent, or not yet", title_justify="left")
    table.add_column("lifecycle")
    table.add_column("number", justify="right")
    table.add_column("reason", overflow="fold")
    table.add_column("for example", no_wrap=True)
    for (lifecycle, reason), number in why.most_common():
        table.add_row(screen.coloured(lifecycle), str(number), reason, example[lifecycle, reason])
    return table
