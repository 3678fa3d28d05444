"""``utskick status``: show a delivery, a message or a batch by its id."""

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

from utskick.cli import console
from utskick.cli.client import ServiceTarget, open_client
from utskick.domain.errors import NotFound, Unreadable
from utskick.domain.ids import parse_id
from utskick.domain.status import Status
from utskick_client import AsyncUtskickClient, BatchResult, DeliveryResult, MessageResult, Refused

#: Batches up to this size are read completely, to report why deliveries failed.
_MAX_COMPLETE: Final = 10_000
_INTERVAL: Final = 1.0
#: Of these nothing was sent.
NOT_SENT: Final = (Status.FAILED, Status.EXPIRED, Status.CANCELLED)
_PROBLEMS: Final = (
    Status.FAILED,
    Status.UNCERTAIN,
    Status.EXPIRED,
    Status.DEFERRED,
    Status.CANCELLED,
)


@dataclass(frozen=True, slots=True)
class View:
    """Rendered status.

    ``settled``: whether it will not change any more. ``batch`` and ``reasons`` are set for a batch;
    the reasons may be older than the counts.
    """

    rendered: RenderableType
    settled: bool
    batch: BatchResult | None = None
    reasons: Table | None = None


def show(target: ServiceTarget, text: str, *, follow: bool) -> None:
    """Print the status; raise ``NotFound`` if the id is unknown in the municipality."""
    found = parse_id(text)
    if found is None:
        raise Unreadable(
            f"{text} is not a valid id: ids are UUIDs, as returned by `utskick send` and the API"
        )
    asyncio.run(_show(target, str(found), follow=follow))


async def _show(target: ServiceTarget, object_id: str, *, follow: bool) -> None:
    async with open_client(target) as client:
        view = await read_status(client, target.municipality, object_id)
        if not follow:
            console.stdout.print(view.rendered)
            return
        if not console.stdout.is_terminal:
            await _lines(client, target.municipality, object_id, view)
            return
        with Live(view.rendered, console=console.stdout, auto_refresh=False) as live:
            if view.settled:
                return
            if view.batch is not None:
                await _follow(client, view, live)
                return
            while not view.settled:
                await asyncio.sleep(_INTERVAL)
                view = await read_status(client, target.municipality, object_id)
                live.update(view.rendered, refresh=True)


async def _lines(client: AsyncUtskickClient, municipality: str, object_id: str, view: View) -> None:
    """Print a line for each change, for pipes and files, and at the end the whole status."""
    if view.batch is not None and not view.settled:
        async with aclosing(client.watch_batch(view.batch.batch_id)) as stream:
            async for event in stream:
                share = console.share_text(event.settled, event.total)
                console.print_line(f"{share}  {console.counts_line(event.counts)}")
                if event.done:
                    batch = replace(view.batch, counts=event.counts)
                    view = await _batch_with_reasons(client, batch)
    while not view.settled:
        await asyncio.sleep(_INTERVAL)
        view = await read_status(client, municipality, object_id)
    console.stdout.print(view.rendered)


async def reasons_of(client: AsyncUtskickClient, batch_id: str) -> Table | None:
    """Return why deliveries of a batch were not sent; None if none failed, or it is too large."""
    batch = await client.batch_status(batch_id, messages=False)
    if batch.total > _MAX_COMPLETE or not any(batch.counts.get(status) for status in _PROBLEMS):
        return None
    return _reasons(await client.batch_status(batch_id))


async def _follow(client: AsyncUtskickClient, view: View, live: Live) -> None:
    """Follow a batch: counts on every change, reasons less often since they need all deliveries."""
    assert view.batch is not None
    refreshed = time.monotonic()
    async with aclosing(client.watch_batch(view.batch.batch_id)) as stream:
        async for event in stream:
            batch = replace(view.batch, counts=event.counts)
            if event.done or time.monotonic() - refreshed > _INTERVAL:
                view, refreshed = await _batch_with_reasons(client, batch), time.monotonic()
            else:
                view = _batch_view(batch, view.reasons)
            live.update(view.rendered, refresh=True)


async def read_status(client: AsyncUtskickClient, municipality: str, object_id: str) -> View:
    """Look the id up as a delivery, then as a message, then as a batch."""
    for read in (_delivery, _message, _batch):
        try:
            return await read(client, object_id)
        except Refused as fault:
            if fault.status != 404:
                raise
    raise NotFound(
        f"municipality {municipality} has no delivery, message or batch with the id {object_id}"
    )


async def _delivery(client: AsyncUtskickClient, object_id: str) -> View:
    delivery = await client.delivery_status(object_id)
    return View(Group(_delivery_table(delivery), console.event_table(delivery)), delivery.settled)


def _delivery_table(delivery: DeliveryResult) -> Table:
    rows = console.delivery_rows(delivery)
    ids = (
        ("message", delivery.message_id),
        ("batch", delivery.batch_id),
        ("reference", delivery.reference),
    )
    return console.value_table([*rows, *((what, value) for what, value in ids if value)])


async def _message(client: AsyncUtskickClient, object_id: str) -> View:
    message: MessageResult = await client.message_status(object_id)
    return View(
        console.message_table(message), all(delivery.settled for delivery in message.deliveries)
    )


async def _batch(client: AsyncUtskickClient, object_id: str) -> View:
    return await _batch_with_reasons(client, await client.batch_status(object_id, messages=False))


async def _batch_with_reasons(client: AsyncUtskickClient, batch: BatchResult) -> View:
    reasons = None
    if batch.total <= _MAX_COMPLETE and any(batch.counts.get(status) for status in _PROBLEMS):
        reasons = _reasons(await client.batch_status(batch.batch_id))
    return _batch_view(batch, reasons)


def _batch_view(batch: BatchResult, reasons: Table | None) -> View:
    rendered: list[RenderableType] = [
        console.value_table(
            [
                ("batch", batch.batch_id),
                ("deliveries", str(batch.total)),
                ("progress", _progress(batch)),
                *console.sms_rows(batch.sms),
            ]
        ),
        console.count_table(batch.counts),
        *([reasons] if reasons is not None else []),
    ]
    return View(Group(*rendered), batch.unsettled == 0, batch, reasons)


def _progress(batch: BatchResult) -> str:
    waiting = console.waiting_text(batch.unsettled, batch.waiting, batch.waits_until)
    share = console.share_text(batch.total - batch.unsettled, batch.total)
    return f"{share}, {waiting}" if waiting else share


def _reasons(batch: BatchResult) -> Table:
    """Return the reasons of unsent deliveries, the most frequent first, each with an example."""
    problems = [
        d for message in batch.messages for d in message.deliveries if d.lifecycle in _PROBLEMS
    ]
    reasons = Counter((str(d.lifecycle), console.reason_text(d.reason)) for d in problems)
    example = {
        (str(d.lifecycle), console.reason_text(d.reason)): d.delivery_id for d in reversed(problems)
    }
    table = Table(title="not sent, or not yet sent", title_justify="left")
    table.add_column("lifecycle")
    table.add_column("number", justify="right")
    table.add_column("reason", overflow="fold")
    table.add_column("example", overflow="fold")
    for (lifecycle, reason), number in reasons.most_common():
        table.add_row(console.coloured(lifecycle), str(number), reason, example[lifecycle, reason])
    return table
