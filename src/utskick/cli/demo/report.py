"""What the demo shows at its end: counts, the comparison, what was held in doubt, and a
conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from utskick.cli.demo.ledgers import Comparison, RequestedDelivery
from utskick.domain.status import Status
from utskick_client import DeliveryResult, HistoryEntry, Statistics

_UNTIL: Final = 0.95
_SHOWN: Final = 5
_BY_NO_WAY: Final = "UNDELIVERABLE"
_COUNTED: Final = ("sent", "failed", "notSent", "pending", "awaitingFeedback")


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """The deliveries of one channel, as Utskick tells them."""

    name: str
    deliveries: tuple[DeliveryResult, ...]

    def number(self, status: Status) -> int:
        return sum(1 for delivery in self.deliveries if delivery.lifecycle == status)

    @property
    def attempts(self) -> int:
        return sum(delivery.attempts for delivery in self.deliveries)

    @property
    def rate(self) -> float:
        """Deliveries a second until 95 % had settled: the rest are the ones that wait for retries
        by design."""
        began = min(delivery.events[0].timestamp for delivery in self.deliveries)
        ends = sorted(_settled_at(delivery) for delivery in self.deliveries)
        number = max(1, int(len(ends) * _UNTIL))
        return number / max(0.001, (ends[number - 1] - began).total_seconds())


def _settled_at(delivery: DeliveryResult) -> datetime:
    """When the first attempt that was answered for good was: later receipts only confirm it."""
    words = {Status.SENT, Status.DELIVERED, Status.FAILED, Status.EXPIRED}
    return next(
        (event.timestamp for event in delivery.events if event.status in words),
        delivery.events[-1].timestamp,
    )


def of_channels(channels: Sequence[ChannelResult]) -> Table:
    table = Table(
        title="what Utskick says",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
    )
    table.add_column("channel", no_wrap=True)
    for name in ("accepted", "sent", "delivered", "failed", "uncertain", "attempts", "/s*"):
        table.add_column(name, justify="right", no_wrap=True)
    for channel in channels:
        counts = [
            channel.number(status)
            for status in (Status.SENT, Status.DELIVERED, Status.FAILED, Status.UNCERTAIN)
        ]
        table.add_row(
            channel.name,
            *(str(n) for n in (len(channel.deliveries), *counts, channel.attempts)),
            f"{channel.rate:.0f}",
        )
    table.caption = (
        "* deliveries a second until 95 % had settled; the rest wait for retries, by design"
    )
    return table


def of_statistics(found: Statistics) -> Table:
    """``GET /{municipalityId}/statistics``, as a table."""
    table = Table(
        title="statistics, by API",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
    )
    table.add_column("type", no_wrap=True)
    for name in ("sent", "failed", "not sent", "pending", "awaiting feedback"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, told in found.raw.items():
        ways = (
            {kind: told}
            if "sent" in told
            else {f"{kind} as {way}": counter for way, counter in told.items() if way != _BY_NO_WAY}
        )
        for name, counter in ways.items():
            table.add_row(name, *(str(counter.get(member, 0)) for member in _COUNTED))
        if told.get(_BY_NO_WAY):
            table.add_row(f"{kind}, by no way", "", "", str(told[_BY_NO_WAY]), "", "")
    return table


def of_comparison(found: Comparison, received: int, downloads: int) -> Table:
    table = Table(
        title=f"held against what citizens received ({received} copies)", title_justify="left"
    )
    table.add_column("question", overflow="fold")
    table.add_column("deliveries", justify="right")
    table.add_column("", no_wrap=True)
    rows: list[tuple[str, list[str]]] = [
        ("lost: Utskick says sent, nobody received it", found.lost),
        ("doubled without a report of uncertainty", found.doubled),
        ("different: subject, text, page or attachment", found.different),
        ("received, though Utskick says failed or expired", found.denied),
        ("not settled", found.unsettled),
        (
            f"files that come out of the history otherwise than they were sent ({downloads} asked for)",
            found.spoilt,
        ),
    ]
    for question, ids in rows:
        table.add_row(question, str(len(ids)), _verdict(not ids))
    table.add_row("copies that nobody asked for", str(found.unasked), _verdict(not found.unasked))
    table.add_row(
        "doubled, and reported as uncertain (same Message-ID)", str(len(found.reported)), "as told"
    )
    return table


def _verdict(good: bool) -> str:
    return "[green]ok[/]" if good else "[bold red]WRONG[/]"


def show_faults(found: Comparison, console: Console) -> None:
    """The first ids of everything that is wrong, to look into with ``utskick status`` and the
    log."""
    named = {
        "lost": found.lost,
        "doubled": found.doubled,
        "different": found.different,
        "denied": found.denied,
    }
    for name, ids in {**named, "not settled": found.unsettled}.items():
        if ids:
            console.print(
                f"[bold red]{name}[/]: {', '.join(ids[:_SHOWN])}{' …' if len(ids) > _SHOWN else ''}",
                soft_wrap=True,
            )


def of_doubts(channels: Sequence[ChannelResult], url: str) -> str:
    """What became of the SMS whose answer never came: they are held, since a second one is no small
    matter."""
    sms = [d for channel in channels if channel.name == "sms" for d in channel.deliveries]
    doubtful = [d for d in sms if any(event.status == Status.UNCERTAIN for event in d.events)]
    held = [d for d in doubtful if d.lifecycle == Status.UNCERTAIN]
    lines = [
        f"{len(doubtful)} SMS left, and no answer that could be read came back. None was sent again: a blind retry would be a second SMS. "
        f"The gateway's delivery report resolved {len(doubtful) - len(held)} of them; {len(held)} are still held."
    ]
    for delivery in held[:_SHOWN]:
        body = '{"decision": "resend"}'  # or "give-up"
        lines.append(f"  curl --json '{body}' {url}/2281/deliveries/{delivery.delivery_id}/resolve")
    return "\n".join(lines)


def of_conversation(entries: Sequence[HistoryEntry], asked: Sequence[RequestedDelivery]) -> Panel:
    """All that was said to one person, oldest first."""
    where = {entry.delivery_id: entry.recipient for entry in asked}
    blocks = []
    for entry in sorted(entries, key=lambda e: (e.timestamp, e.delivery_id or "")):
        content = entry.content
        names = "".join(
            f"\n[dim]attached: {escape(file['name'])}[/]" for file in content.get("attachments", ())
        )
        subject = f"[bold]{escape(content['subject'])}[/]\n" if content.get("subject") else ""
        head = f"[cyan]{entry.timestamp:%H:%M:%S}  {entry.message_type}  to {escape(where.get(entry.delivery_id or '', ''))}[/]"
        blocks.append(
            f"{head}  [green]{entry.lifecycle}[/]\n{subject}{escape(content['message'].strip())}{names}"
        )
    return Panel(
        "\n\n".join(blocks),
        title="one person's conversation history",
        title_align="left",
        width=100,
    )
